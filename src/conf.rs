//! The directives, and what is made of them for each server.

use core::ffi::CStr;

use nginx_sys::{NGX_CONF_1MORE, NGX_CONF_TAKE1, ngx_str_t};
use pop3::capability::{self, Unfit};
use pop3::challenge::{self, UnfitName};
use pop3::command::Keyword;
use pop3::{Capabilities, Methods, Policy, StartTls};

use crate::nginx::conf::{Conf, Directive, Refused, Strings, parse_number, parse_size};
use crate::nginx::string;
use crate::output::LONGEST_REPLY;

/// The default of `pop3_client_buffer`, in bytes.
const CLIENT_BUFFER: usize = 4096;

/// The default of `pop3_max_commands`.
#[cfg(not(ngx_mail_max_commands))]
const MAX_COMMANDS: usize = 1000;

/// The longest command in bytes, its end included, that a client may rely on
/// (RFC 2449, section 4).
const COMMAND: usize = 255;

/// The most that `pop3_client_buffer` may be, in bytes. The worker's memory for
/// input grows with the longest line that comes.
const MAX_LINE: usize = 1024 * 1024;

/// A bound on the length of each reply that does not depend on the
/// configuration, and of a challenge without the server's name.
const REPLY: usize = 128;

/// The configuration of one server.
pub struct ServerConf {
    methods: Option<Methods>,
    capabilities: Option<Strings>,
    client_buffer: Option<usize>,
    max_commands: Option<usize>,

    /// What the server allows.
    pub policy: Policy,
    plain_capabilities: ngx_str_t,
    tls_capabilities: ngx_str_t,
    mechanisms: ngx_str_t,
}

impl Default for ServerConf {
    fn default() -> Self {
        Self {
            methods: None,
            capabilities: None,
            client_buffer: None,
            max_commands: None,
            policy: Policy {
                methods: Methods::default(),
                starttls: StartTls::Off,
                max_line: 0,
                max_errors: 0,
                max_commands: 0,
            },
            plain_capabilities: ngx_str_t::empty(),
            tls_capabilities: ngx_str_t::empty(),
            mechanisms: ngx_str_t::empty(),
        }
    }
}

impl ServerConf {
    /// The answer to CAPA.
    pub fn capabilities(&self, tls: bool) -> &[u8] {
        if tls { self.tls_capabilities.as_bytes() } else { self.plain_capabilities.as_bytes() }
    }

    /// The answer to AUTH without argument.
    pub fn mechanisms(&self) -> &[u8] {
        self.mechanisms.as_bytes()
    }

    /// Takes what is not set here from the mail{} level, and makes the replies.
    ///
    /// # Errors
    ///
    /// A reply cannot hold the server's name, or is too long with that or with
    /// the capability list.
    pub fn merge(&mut self, parent: &Self, cf: &mut Conf<'_>) -> Result<(), Refused> {
        if !cf.take_pop3_over() {
            return Ok(());
        }

        self.methods = self.methods.or(parent.methods);
        self.capabilities = self.capabilities.or(parent.capabilities);
        self.client_buffer = self.client_buffer.or(parent.client_buffer);
        self.max_commands = self.max_commands.or(parent.max_commands);

        let server = cf.server();
        self.policy = Policy {
            methods: self.methods.unwrap_or(Methods { plain: true, ..Methods::default() }),
            starttls: server.starttls,
            max_line: self.client_buffer.unwrap_or(CLIENT_BUFFER),
            max_errors: limit(server.max_errors),
            #[cfg(ngx_mail_max_commands)]
            max_commands: limit(server.max_commands),
            #[cfg(not(ngx_mail_max_commands))]
            max_commands: limit(self.max_commands.unwrap_or(MAX_COMMANDS)),
        };

        check_name(cf, server.name.as_bytes(), &self.policy.methods)?;
        self.make_replies(cf, server.name.len)
    }

    fn make_replies(&mut self, cf: &mut Conf<'_>, server_name: usize) -> Result<(), Refused> {
        let names = self.capabilities.as_ref().map_or(&[][..], Strings::as_slice);
        let default = if self.capabilities.is_none() { &capability::DEFAULT[..] } else { &[] };
        let list = Capabilities {
            names: default.iter().copied().chain(names.iter().map(ngx_str_t::as_bytes)),
            methods: &self.policy.methods,
            starttls: self.policy.starttls,
        };

        self.plain_capabilities = cf.text(|put| list.write(false, put))?;
        self.tls_capabilities = cf.text(|put| list.write(true, put))?;
        let methods = self.policy.methods;
        self.mechanisms = cf.text(|put| capability::write_mechanisms(methods.mechanisms(), put))?;

        // base64 makes four bytes of three.
        let longest_reply = server_name
            .saturating_mul(2)
            .saturating_add(REPLY)
            .max(self.plain_capabilities.len)
            .max(self.tls_capabilities.len);
        if longest_reply > LONGEST_REPLY {
            return Err(cf.refuse(
                c"the replies made of \"pop3_capabilities\" and",
                b"server_name",
                c"are too long, the limit is 8k: shorten them",
            ));
        }

        Ok(())
    }
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
        cf.refuse(c"invalid server name", before_control(name), reason)
    })
}

/// A value up to its first control character: a line break in a message would
/// make it look like two.
fn before_control(value: &[u8]) -> &[u8] {
    value.split(u8::is_ascii_control).next().unwrap_or_default()
}

/// A limit on what a session counts: it never counts to more than this.
fn limit(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// `pop3_auth method ...;`
pub struct Auth;

impl Directive for Auth {
    const NAME: ngx_str_t = string(c"pop3_auth");
    const VALUES: u32 = NGX_CONF_1MORE;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        let methods = conf.methods.get_or_insert_default();

        let mut index = 0_usize;
        while let Some(value) = cf.value(index) {
            index = index.saturating_add(1);
            let Some(method) = methods.named(value.as_bytes()) else {
                return Err(cf.refuse(
                    c"invalid method",
                    value.as_bytes(),
                    c"in the \"pop3_auth\" directive, use \"plain\", \"apop\", \"cram-md5\" or \
                      \"external\"",
                ));
            };
            if core::mem::replace(method, true) {
                cf.warn(c"duplicate method", value.as_bytes(), c"in the \"pop3_auth\" directive");
            }
        }

        Ok(())
    }
}

/// `pop3_capabilities extension ...;`
pub struct CapabilityList;

impl Directive for CapabilityList {
    const NAME: ngx_str_t = string(c"pop3_capabilities");
    const VALUES: u32 = NGX_CONF_1MORE;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        let mut list = match conf.capabilities {
            Some(list) => list,
            None => Strings::new(cf)?,
        };
        conf.capabilities = Some(list);

        let mut index = 0_usize;
        while let Some(value) = cf.value(index) {
            index = index.saturating_add(1);
            match capability::check(value.as_bytes()) {
                Ok(()) => list.push(value)?,
                Err(unfit) => match reason_to_ignore(unfit) {
                    Some(reason) => cf.warn(c"capability", value.as_bytes(), reason),
                    None => return Err(refuse_capability(cf, value.as_bytes(), unfit)),
                },
            }
        }

        Ok(())
    }
}

/// Why a capability that nginx's own module takes is left out of the list, if it
/// need not be refused.
fn reason_to_ignore(unfit: Unfit) -> Option<&'static CStr> {
    match unfit {
        Unfit::Empty => {
            Some(c"in the \"pop3_capabilities\" directive is ignored: there is nothing to announce")
        }
        Unfit::Sasl => Some(
            c"in the \"pop3_capabilities\" directive is ignored: SASL is announced with the \
              methods of \"pop3_auth\"",
        ),
        Unfit::Stls => Some(
            c"in the \"pop3_capabilities\" directive is ignored: STLS is announced when \
              \"starttls\" is on",
        ),
        Unfit::Utf8 => Some(
            c"in the \"pop3_capabilities\" directive is ignored: the UTF8 command belongs before \
              the login and is refused there",
        ),
        Unfit::ControlCharacter | Unfit::LeadingDot => None,
    }
}

fn refuse_capability(cf: &mut Conf<'_>, value: &[u8], unfit: Unfit) -> Refused {
    let reason: &CStr = match unfit {
        Unfit::LeadingDot => {
            c"in the \"pop3_capabilities\" directive: a line that starts with a dot ends the list"
        }
        _ => {
            c"in the \"pop3_capabilities\" directive: it holds a control character (CR, LF, NUL \
              or another) after this text"
        }
    };

    cf.refuse(c"invalid capability", before_control(value), reason)
}

/// `pop3_client_buffer size;`
pub struct ClientBuffer;

impl Directive for ClientBuffer {
    const NAME: ngx_str_t = string(c"pop3_client_buffer");
    const VALUES: u32 = NGX_CONF_TAKE1;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        if conf.client_buffer.is_some() {
            return Err(Refused::Because(c"is duplicate"));
        }

        let value = cf.value(0).unwrap_or(ngx_str_t::empty());
        let Some(size) =
            parse_size(value).filter(|size| (Keyword::ALONE..=MAX_LINE).contains(size))
        else {
            return Err(cf.refuse(
                c"invalid size",
                value.as_bytes(),
                c"in the \"pop3_client_buffer\" directive, use a number of bytes from 6 to 1m, \
                  such as \"4k\"",
            ));
        };
        if size < COMMAND {
            cf.warn(
                c"size",
                value.as_bytes(),
                c"in the \"pop3_client_buffer\" directive is less than the 255 bytes that a \
                  command line may have",
            );
        }
        conf.client_buffer = Some(size);

        Ok(())
    }
}

/// `pop3_max_commands number;`
pub struct MaxCommands;

impl Directive for MaxCommands {
    const NAME: ngx_str_t = string(c"pop3_max_commands");
    const VALUES: u32 = NGX_CONF_TAKE1;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        if cfg!(ngx_mail_max_commands) {
            return Err(Refused::Because(
                c"is not for this nginx, which has a limit of its own: use \"max_commands\"",
            ));
        }
        if conf.max_commands.is_some() {
            return Err(Refused::Because(c"is duplicate"));
        }

        let value = cf.value(0).unwrap_or(ngx_str_t::empty());
        let Some(number) = parse_number(value).filter(|&number| number > 0) else {
            return Err(cf.refuse(
                c"invalid number",
                value.as_bytes(),
                c"in the \"pop3_max_commands\" directive, use a number above 0",
            ));
        };
        conf.max_commands = Some(number);

        Ok(())
    }
}
