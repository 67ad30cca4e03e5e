//! What a format says.

use std::collections::HashSet;

use log_format::{Fault, Segment, Variable, segments};

fn literal(text: &str) -> Result<Segment<'_>, Fault<'_>> {
    Ok(Segment::Literal(text.as_bytes()))
}

const fn variable<'a>(variable: Variable) -> Result<Segment<'a>, Fault<'a>> {
    Ok(Segment::Variable(variable))
}

fn unknown(name: &str) -> Result<Segment<'_>, Fault<'_>> {
    Err(Fault::Unknown(name.as_bytes()))
}

fn invalid(text: &str) -> Result<Segment<'_>, Fault<'_>> {
    Err(Fault::Invalid(text.as_bytes()))
}

/// Holds the parts of a format to those that are expected.
fn says(text: &str, expected: &[Result<Segment<'_>, Fault<'_>>]) {
    let parts: Vec<_> = segments(text.as_bytes()).collect();
    assert_eq!(parts, expected, "{text:?}");
}

#[test]
fn text_stands_for_itself() {
    says("", &[]);
    says(" ", &[literal(" ")]);
    says("login} {x} \\x \"\n\0\u{e4}", &[literal("login} {x} \\x \"\n\0\u{e4}")]);
}

#[test]
fn names_stand_for_variables() {
    let login = variable(Variable::Login);
    says("$login", &[login]);
    says("${login}", &[login]);
    says("$login$end", &[login, variable(Variable::End)]);
    says("${login}${end}", &[login, variable(Variable::End)]);
    says("${login}s$login-${login}", &[login, literal("s"), login, literal("-"), login]);
    says("[$login]", &[literal("["), login, literal("]")]);
    says("$login}", &[login, literal("}")]);
    says("${login}}", &[login, literal("}")]);
    says("$time_iso8601 ", &[variable(Variable::TimeIso8601), literal(" ")]);
}

#[test]
fn a_name_is_as_long_as_it_can_be() {
    for name in ["logins", "login_", "login1", "LOGIN", "Login", "_", "0", "log", "login_time_x"] {
        says(&format!("a ${name} b"), &[literal("a "), unknown(name)]);
        says(&format!("a ${{{name}}} b"), &[literal("a "), unknown(name)]);
    }
}

#[test]
fn bytes_that_end_a_name() {
    let of_names = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz";
    for byte in 0..=u8::MAX {
        let text = [b"$end", &[byte][..]].concat();
        let parts: Vec<_> = segments(&text).collect();
        let behind = segments(&text[4..]).next().unwrap();
        if of_names.contains(&byte) {
            assert_eq!(parts, [Err(Fault::Unknown(&text[1..]))]);
        } else {
            assert_eq!(parts, [variable(Variable::End), behind]);
        }
    }
}

#[test]
fn a_dollar_needs_a_name() {
    for text in ["$", "$ ", "$-login", "$$login", "$$", "${", "${}", "${}x", "${ login}", "$\u{e4}"]
    {
        says(text, &[invalid(text)]);
        says(&format!("x{text}"), &[literal("x"), invalid(text)]);
    }
}

#[test]
fn a_brace_is_closed_behind_the_name() {
    for text in ["${login", "${login $end}", "${login-}", "${nobody", "${login$end}", "${{login}}"]
    {
        says(&format!("$end{text}"), &[variable(Variable::End), invalid(text)]);
    }
}

#[test]
fn nothing_is_behind_a_fault() {
    says("$nobody $login", &[unknown("nobody")]);
    says("${nobody}$login", &[unknown("nobody")]);
    says("$ $login", &[invalid("$ $login")]);
}

#[test]
fn every_variable_has_a_name_of_its_own() {
    let names: HashSet<_> = Variable::ALL.iter().map(|variable| variable.name()).collect();
    assert_eq!(names.len(), Variable::ALL.len());
    for &of_all in Variable::ALL {
        let name = std::str::from_utf8(of_all.name()).unwrap();
        assert_eq!(Variable::named(name.as_bytes()), Some(of_all));
        says(&format!("${name}"), &[variable(of_all)]);
        for other in [&name[1..], &format!("{name} "), &name.to_uppercase()] {
            assert_eq!(Variable::named(other.as_bytes()), None, "{other}");
        }
    }
    assert_eq!(Variable::named(b""), None);
}

#[test]
fn variables_that_are_promised() {
    let names = "remote_addr remote_port server_addr server_port connection time_iso8601 msec \
        login method status login_attempts ssl_protocol ssl_cipher upstream_addr \
        upstream_ssl_protocol bytes_received bytes_sent login_time session_time end";
    let all: Vec<_> = Variable::ALL.iter().map(|variable| variable.name()).collect();
    assert_eq!(all, names.split(' ').map(str::as_bytes).collect::<Vec<_>>());
}
