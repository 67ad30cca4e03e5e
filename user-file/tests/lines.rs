//! What lines say, and what is wrong with them.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::HashSet;

use user_file::line::MAX_FIELD;
use user_file::password::MAX_ROUNDS;
use user_file::{Entry, Lines, Password, Unfit};

/// Every one of them.
const ALL: [Unfit; 18] = [
    Unfit::NoColon,
    Unfit::EmptyLogin,
    Unfit::Login,
    Unfit::Backend,
    Unfit::TooLong,
    Unfit::EmptyPlain,
    Unfit::Plain,
    Unfit::PlainBase64,
    Unfit::Sha,
    Unfit::Ssha,
    Unfit::Crypt,
    Unfit::NoPrefix,
    Unfit::Scheme,
    Unfit::Hash,
    Unfit::Rounds,
    Unfit::Bcrypt,
    Unfit::Yescrypt,
    Unfit::Scrypt,
];

/// The text, if there is one, `?` for a hash.
fn shown(password: Password<'_>) -> String {
    let mut shown = Vec::new();
    match password {
        Password::Plain(text) => text.expose(|piece| shown.extend_from_slice(piece)),
        Password::Crypt(..) => shown.push(b'?'),
        Password::Empty => {}
    }
    String::from_utf8(shown).unwrap()
}

/// A line each: its number, login, password and backend, or what is wrong.
fn said(file: &[u8]) -> Vec<String> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Lines::new(file)
        .map(|(number, entry)| match entry {
            Ok(Entry { login, password, backend }) => {
                let backend = backend.map_or("-".to_string(), text);
                format!("{number} {}|{}|{backend}", text(login), shown(password))
            }
            Err(unfit) => format!("{number} {unfit:?}"),
        })
        .collect()
}

fn says(file: &str, expected: &[&str]) {
    assert_eq!(said(file.as_bytes()), expected, "{file:?}");
}

fn one(line: &[u8]) -> Result<Entry<'_>, Unfit> {
    let mut lines = Lines::new(line);
    let (_, entry) = lines.next().unwrap();
    assert!(lines.next().is_none());
    entry
}

#[test]
fn a_line_has_two_or_three_fields() {
    says("bob:{PLAIN}secret\n", &["1 bob|secret|-"]);
    says("bob:{PLAIN}secret:192.0.2.1\n", &["1 bob|secret|192.0.2.1"]);
    says("bob:{SHA}hnwQv9U9yatcinsKJg4ZDA+ZgxY=:mail:110\n", &["1 bob|?|mail:110"]);
    says("bob::[2001:db8::1]:995\n", &["1 bob||[2001:db8::1]:995"]);
    says("bob:{PLAIN}s:unix:/run/pop3\n", &["1 bob|s|unix:/run/pop3"]);
}

#[test]
fn an_empty_field_is_none() {
    says("bob:\n", &["1 bob||-"]);
    says("bob::\n", &["1 bob||-"]);
    says("bob:{PLAIN}secret:\n", &["1 bob|secret|-"]);
    says("bob::::\n", &["1 bob||::"]);
}

#[test]
fn a_colon_of_a_text_ends_it_but_not_in_base64() {
    says("bob:{PLAIN}a:b\n", &["1 bob|a|b"]);
    says("bob:{PLAIN.b64}YTpi\n", &["1 bob|a:b|-"]);
    // As doveadm writes it.
    says("bob:{PLAIN.B64}YTpi:mail\n", &["1 bob|a:b|mail"]);
}

#[test]
fn bytes_stand_for_themselves() {
    says(" bob smith :{PLAIN} a b : m \n", &["1  bob smith | a b | m "]);
    says("b\u{fc}b@x#y:{PLAIN}#\u{fc}\t\u{1}\n", &["1 b\u{fc}b@x#y|#\u{fc}\t\u{1}|-"]);
    says(" #bob:{PLAIN}x\n", &["1  #bob|x|-"]);
    says(" \n", &["1 NoColon"]);
    assert_eq!(one(b"\xff:{PLAIN}\x80").unwrap().login, b"\xff");
}

#[test]
fn a_line_ends_with_lf_or_crlf_or_the_file() {
    let expected = ["1 bob|x|-", "2 tom||y"];
    for file in ["bob:{PLAIN}x\ntom::y\n", "bob:{PLAIN}x\r\ntom::y\r\n", "bob:{PLAIN}x\r\ntom::y"] {
        says(file, &expected);
    }
    // As if it were cut off.
    says("bob:{PLAIN}x\ntom::y\r", &expected);
    says("tom:\r\n", &["1 tom||-"]);
}

#[test]
fn comments_and_empty_lines_count() {
    says("", &[]);
    says("\n", &[]);
    says("#", &[]);
    says("\r\n\n# bob:x\r\n\n#\nbob:\n\n#", &["6 bob||-"]);
    // Whatever is in it.
    says("#\0\r\u{1}:\nbob:\n", &["2 bob||-"]);
}

#[test]
fn every_error_has_its_line() {
    let sha = "hnwQv9U9yatcinsKJg4ZDA+ZgxY=";
    let lines = [
        ("bob".to_string(), Unfit::NoColon),
        (":{PLAIN}x".to_string(), Unfit::EmptyLogin),
        (":".to_string(), Unfit::EmptyLogin),
        ("b\tb:{PLAIN}x".to_string(), Unfit::Login),
        ("b\rb:{PLAIN}x".to_string(), Unfit::Login),
        ("b\u{7f}b:".to_string(), Unfit::Login),
        ("bob::a\tb".to_string(), Unfit::Backend),
        ("bob::a\0".to_string(), Unfit::Backend),
        (format!("{}:", "b".repeat(4097)), Unfit::TooLong),
        (format!("bob:{{PLAIN}}{}", "b".repeat(4090)), Unfit::TooLong),
        (format!("bob::{}", "b".repeat(4097)), Unfit::TooLong),
        ("bob:{PLAIN}".to_string(), Unfit::EmptyPlain),
        ("bob:{PLAIN}:mail".to_string(), Unfit::EmptyPlain),
        ("bob:{PLAIN.b64}".to_string(), Unfit::EmptyPlain),
        ("bob:{PLAIN}a\rb".to_string(), Unfit::Plain),
        ("bob:{PLAIN}a\0".to_string(), Unfit::Plain),
        ("bob:{PLAIN.b64}YQo=".to_string(), Unfit::Plain),
        ("bob:{PLAIN.b64}YQ".to_string(), Unfit::PlainBase64),
        (format!("bob:{{SHA}}{}", &sha[1..]), Unfit::Sha),
        ("bob:{SSHA}YQ==".to_string(), Unfit::Ssha),
        ("bob:$apr1$salt".to_string(), Unfit::Crypt),
        ("bob:secret".to_string(), Unfit::NoPrefix),
        ("bob:rl.3StKT.4T8M".to_string(), Unfit::NoPrefix),
        ("bob:{MD5}x".to_string(), Unfit::Scheme),
        ("bob:$sha1$x".to_string(), Unfit::Hash),
        ("bob:$6$rounds=20001$x".to_string(), Unfit::Rounds),
        ("bob:$2y$05$x".to_string(), Unfit::Bcrypt),
        ("bob:$y$j9T$x".to_string(), Unfit::Yescrypt),
        ("bob:$gy$j9T$x".to_string(), Unfit::Yescrypt),
        ("bob:$7$x".to_string(), Unfit::Scrypt),
    ];

    let mut file = String::new();
    let mut expected = Vec::new();
    for (number, (line, unfit)) in (1_usize..).step_by(3).zip(&lines) {
        file += &format!("# {unfit:?}\n{line}\ntom:\n");
        expected.push(format!("{} {unfit:?}", number.saturating_add(1)));
        expected.push(format!("{} tom||-", number.saturating_add(2)));
    }
    says(&file, &expected.iter().map(String::as_str).collect::<Vec<_>>());

    for unfit in ALL {
        assert!(lines.iter().any(|(_, other)| *other == unfit), "{unfit:?}");
    }
}

#[test]
fn a_field_is_as_long_as_a_clients_line() {
    let longest = "b".repeat(MAX_FIELD);
    let text = &longest["{PLAIN}".len()..];
    let line = format!("{longest}:{{PLAIN}}{text}:{longest}");
    let entry = one(line.as_bytes()).unwrap();
    assert_eq!((entry.login.len(), entry.backend.unwrap().len()), (MAX_FIELD, MAX_FIELD));
    assert_eq!(shown(entry.password), text);
}

#[test]
fn every_error_has_a_text_of_its_own() {
    let texts = ALL.map(|unfit| unfit.log_text().to_str().unwrap());
    assert_eq!(texts.iter().collect::<HashSet<_>>().len(), ALL.len());
    for text in texts {
        // What is wrong, and the remedy.
        assert!(text.contains("; ") && !text.contains("  ") && text.is_ascii(), "{text}");
    }
    assert!(Unfit::TooLong.log_text().to_str().unwrap().contains(&MAX_FIELD.to_string()));
    assert!(Unfit::Rounds.log_text().to_str().unwrap().contains(&MAX_ROUNDS.to_string()));
}

#[test]
fn debug_shows_no_secret() {
    let sha = "{SHA}hnwQv9U9yatcinsKJg4ZDA+ZgxY=";
    for password in ["{PLAIN}hnwQ", "{PLAIN.b64}hnwQ", sha] {
        let line = format!("bob:{password}");
        let shown = format!("{:?}", one(line.as_bytes()));
        let bytes = format!("{:?}", b"hnwQ");
        assert!(
            !shown.contains("hnwQ") && !shown.contains(bytes.trim_matches(['[', ']'])),
            "{shown}"
        );
    }
    assert_eq!(format!("{:?}", Password::parse(b"{PLAIN}x").unwrap()), "Plain(Text(..))");
    assert_eq!(format!("{:?}", Password::parse(sha.as_bytes()).unwrap()), "Crypt(Sha, ..)");
    assert_eq!(format!("{:?}", Password::Empty), "Empty");
}
