//! The directives.

use core::ffi::CStr;

use ngx_mail::conf::{
    Conf, Directive, HAS_MAX_COMMANDS, Refused, Values, parse_number, parse_size,
};
use ngx_mail::text::Text;
use pop3::capability::{self, Unfit};
use pop3::command::Keyword;

use super::ServerConf;

/// The longest command in bytes, its end included, that a client may rely on
/// (RFC 2449, section 4).
const COMMAND: usize = 255;

/// The most that `pop3_client_buffer` may be, in bytes. The worker's memory for
/// input grows with the longest line that comes.
const MAX_LINE: usize = 1024 * 1024;

/// `pop3_auth method ...;`
pub struct Auth;

impl Directive for Auth {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_auth";
    const VALUES: Values = Values::OneOrMore;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        let methods = conf.methods.get_or_insert_default();

        let mut index = 0_usize;
        while let Some(value) = cf.value(index) {
            index = index.saturating_add(1);
            let Some(method) = methods.named(value.as_bytes()) else {
                return Err(cf.refuse(
                    c"invalid method",
                    value.as_bytes(),
                    c"in the \"pop3_auth\" directive, use \"plain\", \"apop\", \"cram-md5\", \
                      \"external\", \"xoauth2\" or \"oauthbearer\"",
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
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_capabilities";
    const VALUES: Values = Values::OneOrMore;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        let list = match &mut conf.capabilities {
            Some(list) => list,
            none => none.insert(cf.texts()?),
        };

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

    cf.refuse(c"invalid capability", value, reason)
}

/// `pop3_client_buffer size;`
pub struct ClientBuffer;

impl Directive for ClientBuffer {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_client_buffer";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        if conf.client_buffer.is_some() {
            return Err(Refused::Because(c"is duplicate"));
        }

        let value = cf.value(0).unwrap_or(Text::EMPTY);
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
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_max_commands";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        if HAS_MAX_COMMANDS {
            return Err(Refused::Because(
                c"is not for this nginx, which has a limit of its own: use \"max_commands\"",
            ));
        }
        if conf.max_commands.is_some() {
            return Err(Refused::Because(c"is duplicate"));
        }

        let value = cf.value(0).unwrap_or(Text::EMPTY);
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
