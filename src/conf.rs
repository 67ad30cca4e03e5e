//! The configuration of a server: what it allows, and the replies made of it.

pub mod auth;
#[cfg(not(test))]
pub mod auth_directives;
pub mod backend;
#[cfg(not(test))]
pub mod directives;
#[cfg(not(test))]
pub mod limit_directives;
pub mod limits;
pub mod log;
#[cfg(not(test))]
pub mod log_directives;
#[cfg(not(test))]
mod once;
mod pass;
#[cfg(not(test))]
pub mod proxy;
mod summary;
pub mod users;

use ngx_mail::conf::{Conf, Refused, Server, StartTls};
use ngx_mail::error::NoMemory;
use ngx_mail::shared::List;
use ngx_mail::text::{Text, Texts};
use pop3::challenge::{self, UnfitName};
use pop3::{Capabilities, Methods, Policy, capability};

use crate::client::output::LONGEST_REPLY;

use backend::{Backend, Settings};
use limits::Limits;
use log::Log;
use summary::Summary;

/// The default of `pop3_client_buffer`, in bytes.
const CLIENT_BUFFER: usize = 4096;

/// The default of `pop3_max_commands`.
const MAX_COMMANDS: usize = 1000;

/// A bound on the length of each reply that does not depend on the
/// configuration, and of a challenge without the server's name.
const REPLY: usize = 128;

/// The configuration of one server, or of the mail{} level.
pub struct ServerConf {
    methods: Option<Methods>,
    capabilities: Option<Texts>,
    client_buffer: Option<usize>,
    max_commands: Option<usize>,
    settings: Settings,
    log_settings: log::Settings,
    limit_settings: limits::Settings,

    /// What the server allows.
    pub policy: Policy,
    replies: Replies,
    /// Where logins go, or who says it.
    pub backend: Option<Backend>,
    /// Where there is a line for each session, if it is anywhere.
    pub logs: Option<List<Log>>,
    /// What the address of a client may do, if there is a limit.
    pub limits: Option<Limits>,
    /// What the log says of the server when it comes into force.
    pub summary: Text,
}

/// Those that depend on nothing but the configuration.
struct Replies {
    capabilities: Text,
    tls_capabilities: Text,
    mechanisms: Text,
}

impl Default for ServerConf {
    fn default() -> Self {
        Self {
            methods: None,
            capabilities: None,
            client_buffer: None,
            max_commands: None,
            settings: Settings::default(),
            log_settings: log::Settings::default(),
            limit_settings: limits::Settings::default(),
            backend: None,
            logs: None,
            limits: None,
            summary: Text::EMPTY,
            policy: Policy {
                methods: Methods::default(),
                starttls: pop3::StartTls::Off,
                max_line: 0,
                max_errors: 0,
                max_commands: 0,
            },
            replies: Replies {
                capabilities: Text::EMPTY,
                tls_capabilities: Text::EMPTY,
                mechanisms: Text::EMPTY,
            },
        }
    }
}

impl ServerConf {
    /// The answer to CAPA.
    pub const fn capabilities(&self, tls: bool) -> &[u8] {
        let replies = &self.replies;
        if tls { replies.tls_capabilities.as_bytes() } else { replies.capabilities.as_bytes() }
    }

    /// The answer to AUTH without argument.
    pub const fn mechanisms(&self) -> &[u8] {
        self.replies.mechanisms.as_bytes()
    }

    /// One with this policy, and replies that tell themselves apart.
    #[cfg(test)]
    pub fn with_policy(policy: Policy) -> Self {
        let replies = Replies {
            capabilities: Text::fixed(b"+OK in plain\r\n.\r\n"),
            tls_capabilities: Text::fixed(b"+OK in TLS\r\n.\r\n"),
            mechanisms: Text::fixed(b"+OK methods\r\n.\r\n"),
        };
        Self { policy, replies, ..Self::default() }
    }

    fn policy(&self, parent: &Self, server: &Server) -> Policy {
        let max_commands = self.max_commands.or(parent.max_commands).unwrap_or(MAX_COMMANDS);
        Policy {
            methods: self
                .methods
                .or(parent.methods)
                .unwrap_or(Methods { plain: true, ..Methods::default() }),
            starttls: match server.starttls {
                StartTls::Off => pop3::StartTls::Off,
                StartTls::On => pop3::StartTls::On,
                StartTls::Only => pop3::StartTls::Only,
            },
            max_line: self.client_buffer.or(parent.client_buffer).unwrap_or(CLIENT_BUFFER),
            max_errors: limit(server.max_errors),
            max_commands: limit(server.max_commands.unwrap_or(max_commands)),
        }
    }
}

impl ServerConf {
    fn summarize(&self, cf: &mut Conf<'_>) -> Result<Text, NoMemory> {
        let Some(backend) = &self.backend else { return Ok(Text::EMPTY) };
        let summary = Summary {
            policy: &self.policy,
            backend,
            limits: self.limits.as_ref(),
            logs: self.logs.as_ref(),
        };
        cf.text(&|put| summary.write(put))
    }
}

impl ngx_mail::conf::ServerConf for ServerConf {
    /// Takes what is not set here from the mail{} level, and makes the replies.
    ///
    /// # Errors
    ///
    /// A reply cannot hold the server's name, or is too long with that or with
    /// the capability list.
    fn merge(&mut self, parent: &Self, cf: &mut Conf<'_>) -> Result<(), Refused> {
        let server = cf.server();
        let name = server.name.as_bytes();
        self.policy = self.policy(parent, &server);
        check_name(cf, name, &self.policy.methods)?;
        self.backend = self.settings.merge(&parent.settings, cf, &self.policy.methods)?;
        self.logs = self.log_settings.merge(&parent.log_settings, cf)?;
        self.limits = self.limit_settings.merge(&parent.limit_settings, cf)?;

        self.summary = self.summarize(cf)?;

        let names = self.capabilities.as_ref().or(parent.capabilities.as_ref());
        self.replies = make_replies(cf, names, &self.policy)?;
        let methods = &self.policy.methods;
        let challenge = if methods.apop || methods.cram_md5 { name.len() } else { 0 };
        check_length(cf, &self.replies, challenge)
    }
}

fn make_replies(
    cf: &mut Conf<'_>,
    names: Option<&Texts>,
    policy: &Policy,
) -> Result<Replies, Refused> {
    let default = if names.is_none() { &capability::DEFAULT[..] } else { &[] };
    let list = &Capabilities {
        names: default.iter().copied().chain(names.into_iter().flat_map(Texts::iter)),
        methods: &policy.methods,
        starttls: policy.starttls,
    };

    let capabilities = |tls| move |put: &mut dyn FnMut(&[u8])| list.write(tls, put);
    let mechanisms = |put: &mut dyn FnMut(&[u8])| {
        capability::write_mechanisms(policy.methods.mechanisms(), put);
    };

    Ok(Replies {
        capabilities: cf.text(&capabilities(false))?,
        tls_capabilities: cf.text(&capabilities(true))?,
        mechanisms: cf.text(&mechanisms)?,
    })
}

/// `name` is the length of the server's name in challenges.
fn check_length(cf: &mut Conf<'_>, replies: &Replies, name: usize) -> Result<(), Refused> {
    // base64 makes four bytes of three.
    let longest = name
        .saturating_mul(2)
        .saturating_add(REPLY)
        .max(replies.capabilities.as_bytes().len())
        .max(replies.tls_capabilities.as_bytes().len());
    if longest > LONGEST_REPLY {
        return Err(cf.refuse(
            c"the replies made of \"pop3_capabilities\" and",
            b"server_name",
            c"are too long, the limit is 8k: shorten them",
        ));
    }

    Ok(())
}

fn check_name(cf: &mut Conf<'_>, name: &[u8], methods: &Methods) -> Result<(), Refused> {
    challenge::check_name(name, methods).map_err(|unfit| {
        let reason = match unfit {
            UnfitName::ControlCharacter => {
                c"in the \"server_name\" directive: it holds a control character (CR, LF, NUL or \
                  another) after this text, which a reply cannot hold"
            }
            UnfitName::Delimiter => {
                c"in the \"server_name\" directive: the challenge of the methods \"apop\" and \
                  \"cram-md5\" can hold no \"<\", \">\" or space, use a host name"
            }
        };
        cf.refuse(c"invalid server name", name, reason)
    })
}

/// A limit on what a session counts: it never counts to more than this.
fn limit(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
