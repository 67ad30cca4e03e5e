//! The directives about the session log.

use core::ffi::CStr;

use log_format::Escape;
use ngx_mail::conf::{Conf, Context, Directive, Refused, Values, parse_size, parse_time};
use ngx_mail::log_file::Buffering;
use ngx_mail::text::Text;

use super::ServerConf;
use super::log::{Entry, Format, Logs, Sink};

/// `pop3_log path | syslog:... [format] [buffer=size] [flush=time];` or `pop3_log off;`
pub struct Log;

impl Directive for Log {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_log";
    const VALUES: Values = Values::OneOrMore;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        let path = cf.value(0).unwrap_or(Text::EMPTY);
        let logs = &mut conf.log_settings.logs;
        if path.as_bytes() == b"off" {
            if logs.is_some() || cf.value(1).is_some() {
                return Err(Refused::Because(c"\"off\" has to stand alone: remove the others"));
            }
            *logs = Some(Logs::Off);
            return Ok(());
        }
        if path.as_bytes().is_empty() {
            return Err(cf.refuse_value(c"empty value", b"", c"a path, \"syslog:...\" or \"off\""));
        }

        let (format, buffering) = parameters(cf)?;
        let sink = if path.as_bytes().starts_with(b"syslog:") {
            if buffering.is_some() {
                return Err(Refused::Because(
                    c"cannot buffer lines for syslog: remove \"buffer=\"",
                ));
            }
            Sink::Syslog(cf.syslog(path)?)
        } else {
            Sink::File(cf.log_file(
                path,
                buffering,
                c"in the \"pop3_log\" directive has another buffer already: give it the same \
                  \"buffer=\" and \"flush=\" everywhere, with mail{} before http{} and stream{}",
            )?)
        };
        match logs {
            Some(Logs::Off) => {
                Err(Refused::Because(c"\"off\" has to stand alone: remove the others"))
            }
            Some(Logs::On(list)) => Ok(list.push(Entry { sink, target: path, format })?),
            None => {
                let mut list = cf.list()?;
                list.push(Entry { sink, target: path, format })?;
                *logs = Some(Logs::On(list));
                Ok(())
            }
        }
    }
}

/// What stands behind the path.
fn parameters(cf: &mut Conf<'_>) -> Result<(Option<Text>, Option<Buffering>), Refused> {
    let (mut format, mut size, mut flush) = (None, None, None);
    let mut index = 1_usize;
    while let Some(value) = cf.value(index) {
        let bytes = value.as_bytes();
        if let Some(text) = value.behind(b"buffer=") {
            size = Some(parse_size(text).filter(|&size| size > 0).ok_or_else(|| {
                cf.refuse_value(c"invalid buffer size", bytes, c"\"buffer=64k\", for one")
            })?);
        } else if let Some(text) = value.behind(b"flush=") {
            flush = Some(parse_time(text).filter(|&time| time > 0).ok_or_else(|| {
                cf.refuse_value(c"invalid flush time", bytes, c"\"flush=5s\", for one")
            })?);
        } else if index == 1 {
            format = Some(value);
        } else {
            return Err(cf.refuse_value(
                c"invalid parameter",
                bytes,
                c"the name of a format, \"buffer=size\" and \"flush=time\"",
            ));
        }
        index = index.saturating_add(1);
    }
    match (size, flush) {
        (Some(size), flush) => Ok((format, Some(Buffering { size, flush }))),
        (None, None) => Ok((format, None)),
        (None, Some(_)) => {
            Err(Refused::Because(c"has \"flush=\", but nothing to be flushed: add \"buffer=size\""))
        }
    }
}

/// `pop3_log_format name [escape=default | json | none] string ...;`
pub struct LogFormat;

impl Directive for LogFormat {
    type Conf = ServerConf;

    const NAME: &CStr = c"pop3_log_format";
    const VALUES: Values = Values::TwoOrMore;
    const CONTEXT: Context = Context::Mail;

    fn set(cf: &mut Conf<'_>, conf: &mut ServerConf) -> Result<(), Refused> {
        let name = cf.value(0).unwrap_or(Text::EMPTY);
        if conf.log_settings.named(name.as_bytes()).is_some() {
            return Err(cf.refuse(
                c"format",
                name.as_bytes(),
                c"in the \"pop3_log_format\" directive is there already: remove one, or give it \
                  another name",
            ));
        }
        let mut first = 1_usize;
        let mut escape = Escape::Default;
        if let Some(value) = cf.value(1).and_then(|value| value.behind(b"escape=")) {
            first = 2;
            escape = Escape::named(value.as_bytes()).ok_or_else(|| {
                cf.refuse_value(
                    c"unknown escaping",
                    value.as_bytes(),
                    c"\"escape=default\", \"escape=json\" or \"escape=none\"",
                )
            })?;
        }
        let text = cf.joined(first)?;
        if text.as_bytes().is_empty() {
            return Err(cf.refuse(
                c"format",
                name.as_bytes(),
                c"in the \"pop3_log_format\" directive has no text: its lines would be empty",
            ));
        }
        let format = Format::new(cf, name, escape, text.as_bytes())?;
        let format = cf.share(format)?;
        let formats = &mut conf.log_settings.formats;
        match formats {
            Some(list) => list.push(format)?,
            None => formats.insert(cf.list()?).push(format)?,
        }
        Ok(())
    }
}
