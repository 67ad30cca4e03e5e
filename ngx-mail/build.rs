//! Makes the bindings to nginx's mail core and stops where the nginx at hand
//! cannot carry the module.
//!
//! nginx-sys finds nginx by NGINX_SOURCE_DIR and NGINX_BUILD_DIR and binds its
//! core; it tells of what it found in the DEP_NGINX_ variables.

use std::env;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// The oldest nginx that the module is built and tested with.
const OLDEST_NGINX: u32 = 1_022_000;

const CONFIGURE: &str = "run nginx's ./configure again with --with-mail (or --with-mail=dynamic) \
                         --with-mail_ssl_module, as nginx itself was built (see `nginx -V`)";

/// The mail core, its symbols that have no declaration, and macros that bindgen does
/// not see through.
const MAIL: &str = "#include <ngx_mail.h>
extern ngx_module_t ngx_mail_module;
extern ngx_module_t ngx_mail_auth_http_module;
extern ngx_module_t ngx_mail_proxy_module;
enum {
    NGX_RS_ALIGNMENT = NGX_ALIGNMENT,
    NGX_RS_INADDR_NONE = INADDR_NONE,
    NGX_RS_SOCKADDR_STRLEN = NGX_SOCKADDR_STRLEN
};
";

fn main() -> ExitCode {
    match build() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={error}");
            ExitCode::FAILURE
        }
    }
}

fn build() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(ngx_debug)");
    println!("cargo::rustc-check-cfg=cfg(overread)");
    println!("cargo::rustc-check-cfg=cfg(ngx_mail_max_commands)");
    println!("cargo::rustc-check-cfg=cfg(ngx_mail_ssl_on)");
    println!("cargo::rustc-check-cfg=cfg(ngx_syslog_log)");

    let include: Vec<PathBuf> = env::split_paths(&env::var("DEP_NGINX_INCLUDE")?).collect();
    let build_dir = PathBuf::from(env::var("DEP_NGINX_BUILD_DIR")?);

    check_version(&env::var("DEP_NGINX_VERSION_NUMBER")?)?;
    check_mail(&include, &build_dir)?;

    if env::var("DEP_NGINX_FEATURES")?.split(',').any(|feature| feature == "debug") {
        println!("cargo::rustc-cfg=ngx_debug");
    }

    if has_syslog_log(&include)? {
        println!("cargo::rustc-cfg=ngx_syslog_log");
    }

    let bindings = mail_bindings(&include)?;
    if bindings.contains("pub max_commands:") {
        println!("cargo::rustc-cfg=ngx_mail_max_commands");
    }
    if bindings.contains("pub enable:") {
        println!("cargo::rustc-cfg=ngx_mail_ssl_on");
    }
    fs::write(Path::new(&env::var("OUT_DIR")?).join("mail.rs"), bindings)?;

    Ok(())
}

fn check_version(number: &str) -> Result<(), Box<dyn Error>> {
    let version: u32 = number.parse()?;
    if version < OLDEST_NGINX {
        return Err(format!(
            "nginx {}.{}.{} is too old: the module needs 1.22.0 or newer",
            version / 1_000_000,
            version / 1000 % 1000,
            version % 1000
        )
        .into());
    }

    Ok(())
}

/// Without NGX_MAIL_SSL in its build, the module would load into an nginx that
/// has it, and lose STLS without a word.
fn check_mail(include: &[PathBuf], build_dir: &Path) -> Result<(), Box<dyn Error>> {
    if !include.iter().any(|dir| dir.join("ngx_mail.h").is_file()) {
        return Err(format!(
            "nginx was configured without mail in NGINX_BUILD_DIR={}: {CONFIGURE}",
            build_dir.display()
        )
        .into());
    }

    let config = build_dir.join("ngx_auto_config.h");
    println!("cargo::rerun-if-changed={}", config.display());
    let defines_ssl = |line: &str| {
        let mut words = line.split_whitespace();
        words.next() == Some("#define") && words.next() == Some("NGX_MAIL_SSL")
    };
    if !fs::read_to_string(&config)?.lines().any(defines_ssl) {
        return Err(format!(
            "nginx was configured without TLS for mail in NGINX_BUILD_DIR={}: {CONFIGURE}",
            build_dir.display()
        )
        .into());
    }

    Ok(())
}

/// Whether a syslog server of this nginx has a log of its own, which others do without.
fn has_syslog_log(include: &[PathBuf]) -> Result<bool, Box<dyn Error>> {
    let mut headers = include.iter().map(|dir| dir.join("ngx_syslog.h"));
    let header = headers.find(|path| path.is_file()).ok_or("nginx has no ngx_syslog.h")?;
    Ok(fs::read_to_string(header)?.contains("*logp"))
}

/// Binds the mail headers alone, on top of nginx-sys's types.
fn mail_bindings(include: &[PathBuf]) -> Result<String, Box<dyn Error>> {
    let bindings = bindgen::Builder::default()
        .header_contents("mail.h", MAIL)
        .clang_args(include.iter().map(|dir| format!("-I{}", dir.display())))
        .clang_args(defines().split_whitespace())
        .allowlist_file(r".*/ngx_mail[a-z0-9_]*\.h")
        .allowlist_var("ngx_mail_(auth_http_|proxy_)?module|NGX_RS_.*")
        .allowlist_recursively(false)
        .raw_line("use nginx_sys::*;")
        .rust_target(env::var("CARGO_PKG_RUST_VERSION")?.parse()?)
        .rust_edition(bindgen::RustEdition::Edition2024)
        .use_core()
        .layout_tests(false)
        .generate()?;

    Ok(bindings.to_string())
}

/// The -D options that nginx is compiled with. nginx-sys 0.5.0 means to give
/// them as DEP_NGINX_CFLAGS, but a typing error puts the whole assignment into
/// DEP_NGINX_METADATA.
fn defines() -> String {
    env::var("DEP_NGINX_CFLAGS").unwrap_or_else(|_| {
        let metadata = env::var("DEP_NGINX_METADATA").unwrap_or_default();
        metadata.strip_prefix("cflags=").unwrap_or_default().to_owned()
    })
}
