//! The directives about limits by address.

use core::ffi::CStr;

use ngx_mail::conf::{
    Conf, Context, Directive, Refused, Values, parse_number, parse_size, parse_time,
};
use ngx_mail::text::Text;
use ngx_mail::zone;

use super::ServerConf;
use crate::limits::Zone;

const DUPLICATE: Refused = Refused::Because(c"is duplicate");

/// `pop3_limit_zone size;`
pub struct LimitZone;

impl Directive for LimitZone {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_limit_zone";
    const VALUES: Values = Values::One;
    const CONTEXT: Context = Context::Mail;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        if conf.limit_settings.zone.is_some() {
            return Err(DUPLICATE);
        }
        let value = cf.value(0).unwrap_or(Text::EMPTY);
        let Some(size) = parse_size(value).filter(|&size| size >= zone::least()) else {
            return Err(cf.refuse_value(
                c"invalid size",
                value.as_bytes(),
                c"32k or more, such as \"1m\" for some 9000 addresses",
            ));
        };
        let zone = Zone::new(cf, size)?;
        conf.limit_settings.zone = Some(cf.share(zone)?);

        Ok(())
    }
}

/// `pop3_limit_conn number;`
pub struct LimitConn;

impl Directive for LimitConn {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_limit_conn";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        if conf.limit_settings.sessions.is_some() {
            return Err(DUPLICATE);
        }
        let value = cf.value(0).unwrap_or(Text::EMPTY);
        let number = parse_number(value).and_then(|number| u32::try_from(number).ok());
        let Some(number) = number.filter(|&number| number > 0) else {
            return Err(cf.refuse_value(
                c"invalid number",
                value.as_bytes(),
                c"a number of sessions from 1 to 4294967295",
            ));
        };
        conf.limit_settings.sessions = Some(number);

        Ok(())
    }
}

/// `pop3_login_delay time | off;`
pub struct LoginDelay;

impl Directive for LoginDelay {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_login_delay";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        if conf.limit_settings.delay.is_some() {
            return Err(DUPLICATE);
        }
        let value = cf.value(0).unwrap_or(Text::EMPTY);
        let time = match value.as_bytes() {
            b"off" => Some(0),
            _ => parse_time(value).filter(|&time| time > 0),
        };
        let Some(time) = time else {
            return Err(cf.refuse_value(
                c"invalid time",
                value.as_bytes(),
                c"a time such as \"5s\", or \"off\"",
            ));
        };
        conf.limit_settings.delay = Some(time as u64);

        Ok(())
    }
}
