//! The directives about auth servers.

use core::ffi::CStr;

use ngx_mail::conf::{Conf, Directive, Refused, Values, parse_number, parse_time};
use ngx_mail::text::Text;

use super::ServerConf;

/// The most connections that are kept.
const MAX_KEPT: usize = 1024;

/// `auth_http URL;`
pub struct AuthHttp;

impl Directive for AuthHttp {
    type Conf = ServerConf;

    const NAME: &CStr = c"auth_http";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        cf.hand_to_auth_http()?;
        let value = cf.value(0).unwrap_or(Text::EMPTY);
        let found = cf.look_up_url(value, c"in the \"auth_http\" directive")?;
        conf.settings.auth.url = Some((value, found));

        Ok(())
    }
}

/// `auth_http_header name value;`
pub struct AuthHttpHeader;

impl Directive for AuthHttpHeader {
    type Conf = ServerConf;

    const NAME: &CStr = c"auth_http_header";
    const VALUES: Values = Values::Two;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        cf.hand_to_auth_http()?;
        let headers = match &mut conf.settings.auth.headers {
            Some(headers) => headers,
            none => none.insert(cf.texts()?),
        };
        for index in 0..2 {
            headers.push(cf.value(index).unwrap_or(Text::EMPTY))?;
        }

        Ok(())
    }
}

/// `auth_http_timeout time;`
pub struct AuthHttpTimeout;

impl Directive for AuthHttpTimeout {
    type Conf = ServerConf;

    const NAME: &CStr = c"auth_http_timeout";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        cf.hand_to_auth_http()?;
        conf.settings.auth.timeout = cf.value(0).and_then(parse_time);

        Ok(())
    }
}

/// `auth_http_pass_client_cert on | off;`
pub struct AuthHttpPassClientCert;

impl Directive for AuthHttpPassClientCert {
    type Conf = ServerConf;

    const NAME: &CStr = c"auth_http_pass_client_cert";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        cf.hand_to_auth_http()?;
        let on = cf.value(0).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"on"));
        conf.settings.auth.certificate = Some(on);

        Ok(())
    }
}

/// `pop3_auth_http_keepalive number;`
pub struct AuthHttpKeepalive;

impl Directive for AuthHttpKeepalive {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_auth_http_keepalive";
    const VALUES: Values = Values::One;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        let keepalive = &mut conf.settings.auth.keepalive;
        if keepalive.is_some() {
            return Err(Refused::Because(c"is duplicate"));
        }
        let value = cf.value(0).unwrap_or(Text::EMPTY);
        let Some(number) = parse_number(value).filter(|&number| number <= MAX_KEPT) else {
            return Err(cf.refuse_value(
                c"invalid number",
                value.as_bytes(),
                c"a number from 0 to 1024",
            ));
        };
        *keepalive = Some(number);

        Ok(())
    }
}
