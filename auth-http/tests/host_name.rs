//! Which names of hosts an auth server may send as `Auth-Server`.

use auth_http::reply::is_host_name;

#[test]
fn rfc_1123_names_of_hosts() {
    let label = "a".repeat(63);
    let longer = "a".repeat(64);
    for (name, fits) in [
        ("mail", true),
        ("mail.example.org", true),
        ("mail.example.org.", true),
        ("3com.example", true),
        ("1.2.3.4.example", true),
        ("xn--nxasmq6b.example", true),
        ("under_score.example", true),
        (label.as_str(), true),
        (longer.as_str(), false),
        ("", false),
        (".", false),
        ("a..b", false),
        (".a", false),
        ("a..", false),
        ("-", false),
        ("-a.example", false),
        ("a-.example", false),
        ("192.0.2.1", false),
        ("192.0.2.256", false),
        ("127.0.0", false),
        ("example.1", false),
        ("127.0.0.1:110", false),
        ("::1", false),
        ("[::1]", false),
        ("unix:/run/mail", false),
        ("a/b", false),
        ("a%b", false),
    ] {
        assert_eq!(is_host_name(name.as_bytes()), fits, "{name}");
    }
}
