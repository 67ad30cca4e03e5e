//! The directives about limits by address.

use core::ffi::CStr;

use ngx_mail::conf::{
    Conf, Context, Directive, Refused, Values, parse_number, parse_size, parse_time,
};
use ngx_mail::shared::Shared;
use ngx_mail::text::Text;
use ngx_mail::zone;

use super::ServerConf;
use super::once::set;
use crate::limits::Zone;

/// `pop3_limit_zone size;`
pub struct LimitZone;

impl Directive for LimitZone {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_limit_zone";
    const VALUES: Values = Values::One;
    const CONTEXT: Context = Context::Mail;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        set(cf, &mut conf.limit_settings.zone, read_zone)
    }
}

/// `pop3_limit_conn number;`
pub struct LimitConn;

impl Directive for LimitConn {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_limit_conn";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        set(cf, &mut conf.limit_settings.sessions, read_sessions)
    }
}

/// `pop3_login_delay time | off;`
pub struct LoginDelay;

impl Directive for LoginDelay {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_login_delay";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        set(cf, &mut conf.limit_settings.delay, read_delay)
    }
}

fn read_zone(cf: &mut Conf<'_>, value: Text) -> Result<Shared<Zone>, Refused> {
    let Some(size) = parse_size(value).filter(|&size| size >= zone::least()) else {
        return Err(cf.refuse_value(
            c"invalid size",
            value.as_bytes(),
            c"32k or more, such as \"1m\" for some 9000 addresses",
        ));
    };
    let zone = Zone::new(cf, size)?;
    Ok(cf.share(zone)?)
}

fn read_sessions(cf: &mut Conf<'_>, value: Text) -> Result<(u32, Text), Refused> {
    let number = parse_number(value).and_then(|number| u32::try_from(number).ok());
    number.filter(|&number| number > 0).map(|number| (number, value)).ok_or_else(|| {
        cf.refuse_value(
            c"invalid number",
            value.as_bytes(),
            c"a number of sessions from 1 to 4294967295",
        )
    })
}

fn read_delay(cf: &mut Conf<'_>, value: Text) -> Result<(u64, Text), Refused> {
    let time = match value.as_bytes() {
        b"off" => Some(0),
        _ => parse_time(value).filter(|&time| time > 0),
    };
    time.map(|time| (time as u64, value)).ok_or_else(|| {
        cf.refuse_value(c"invalid time", value.as_bytes(), c"a time such as \"5s\", or \"off\"")
    })
}
