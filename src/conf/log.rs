//! The session log: `pop3_log` and `pop3_log_format`.

use core::cell::Cell;
use core::ffi::CStr;

use log_format::{Escape, Fault, Segment, longest_line, segments};
use ngx_mail::conf::{Conf, Refused};
use ngx_mail::log_file::LogFile;
use ngx_mail::shared::{List, Shared};
use ngx_mail::syslog::Syslog;
use ngx_mail::text::Text;

/// The longest line in bytes: what can be written at once, and what syslog servers take.
pub const LONGEST_LINE: usize = 4096;

/// The format of a log for which none is named.
const MAIN: &[u8] = b"main";

/// What that is unless the configuration has another of the name.
const MAIN_FORMAT: &[u8] = b"$remote_addr [$time_iso8601] \"$login\" $method $status \
    $upstream_addr $bytes_received $bytes_sent $session_time $end";

/// What stands in one level of the configuration.
#[derive(Default)]
pub struct Settings {
    /// `pop3_log`.
    pub logs: Option<Logs>,
    /// `pop3_log_format`.
    pub formats: Option<List<Shared<Format>>>,
    /// The format of the module's own, if a server has needed it.
    main: Cell<Option<Shared<Format>>>,
    /// The last one of the files that servers log to.
    files: Cell<Option<Shared<Known>>>,
}

/// A file that is logged to, and those that were before it.
struct Known {
    file: LogFile,
    before: Option<Shared<Known>>,
}

/// The logs of a level.
pub enum Logs {
    /// There are none.
    Off,
    /// There are these.
    On(List<Entry>),
}

/// A log of a level.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Where the lines go.
    pub sink: Sink,
    /// That, as it stands in the configuration.
    pub target: Text,
    /// What the format is called, if it is not the default.
    pub format: Option<Text>,
}

/// Where lines go.
#[derive(Clone, Copy)]
pub enum Sink {
    /// To a file.
    File(LogFile),
    /// To a syslog server.
    Syslog(Syslog),
}

/// A format.
pub struct Format {
    name: Text,
    /// How its values stand in a line.
    pub escape: Escape,
    pieces: List<Piece>,
}

/// A part of a format.
enum Piece {
    Literal(Text),
    Variable(log_format::Variable),
}

/// A log of a server.
pub struct Log {
    /// Where the lines go.
    pub sink: Sink,
    /// That, as it stands in the configuration.
    pub target: Text,
    /// What they say.
    pub format: Shared<Format>,
}

impl Format {
    /// Reads a format.
    ///
    /// # Errors
    ///
    /// What is wrong with it, which is logged.
    pub fn new(
        cf: &mut Conf<'_>,
        name: Text,
        escape: Escape,
        text: &[u8],
    ) -> Result<Self, Refused> {
        let mut pieces = cf.list()?;
        for segment in segments(text) {
            pieces.push(match segment {
                Ok(Segment::Literal(text)) => Piece::Literal(cf.text(&|put| put(text))?),
                Ok(Segment::Variable(variable)) => Piece::Variable(variable),
                Err(fault) => return Err(refuse(cf, fault)),
            })?;
        }
        let format = Self { name, escape, pieces };
        if longest_line(format.segments(), escape) > LONGEST_LINE {
            return Err(cf.refuse(
                c"format",
                name.as_bytes(),
                c"in the \"pop3_log_format\" directive can make lines of more than 4096 bytes: \
                  take something out of it",
            ));
        }
        Ok(format)
    }

    /// Its parts, in order.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'_>> {
        self.pieces.as_slice().iter().map(|piece| match piece {
            Piece::Literal(text) => Segment::Literal(text.as_bytes()),
            Piece::Variable(variable) => Segment::Variable(*variable),
        })
    }
}

fn refuse(cf: &mut Conf<'_>, fault: Fault<'_>) -> Refused {
    let (what, value, remedy): (_, _, &CStr) = match fault {
        Fault::Unknown(name) => (
            c"unknown variable",
            name,
            c"in the \"pop3_log_format\" directive: the documentation of \"pop3_log_format\" \
              lists them",
        ),
        Fault::Invalid(rest) => (
            c"no variable's name at",
            rest,
            c"in the \"pop3_log_format\" directive: write \"$name\" or \"${name}\"",
        ),
    };
    cf.refuse(what, value, remedy)
}

impl Settings {
    /// The server's logs, if it has any.
    ///
    /// # Errors
    ///
    /// One has a format that there is not.
    pub fn merge(&self, parent: &Self, cf: &mut Conf<'_>) -> Result<Option<List<Log>>, Refused> {
        let Some(Logs::On(entries)) = self.logs.as_ref().or(parent.logs.as_ref()) else {
            return Ok(None);
        };
        let mut logs = cf.list()?;
        for &Entry { sink, target, format } in entries.as_slice() {
            let sink = match sink {
                Sink::File(file) => Sink::File(parent.known(cf, file)?),
                Sink::Syslog(_) => sink,
            };
            logs.push(Log { sink, target, format: parent.format(cf, format)? })?;
        }
        Ok(Some(logs))
    }

    /// The file as whoever logs to it first has it: that it cannot be written to is said once
    /// for all of them.
    fn known(&self, cf: &mut Conf<'_>, file: LogFile) -> Result<LogFile, Refused> {
        let mut next = self.files.get();
        while let Some(known) = next {
            if known.file.is_same_as(file) {
                return Ok(known.file);
            }
            next = known.before;
        }
        self.files.set(Some(cf.share(Known { file, before: self.files.get() })?));
        Ok(file)
    }

    /// A format by its name, or the default.
    fn format(&self, cf: &mut Conf<'_>, name: Option<Text>) -> Result<Shared<Format>, Refused> {
        let wanted = name.as_ref().map_or(MAIN, Text::as_bytes);
        if let Some(format) = self.named(wanted) {
            return Ok(format);
        }
        if wanted != MAIN {
            return Err(cf.refuse(
                c"unknown log format",
                wanted,
                c"in the \"pop3_log\" directive: define it with \"pop3_log_format\" in mail{}",
            ));
        }
        if let Some(main) = self.main.get() {
            return Ok(main);
        }
        let main = Format::new(cf, Text::fixed(MAIN), Escape::Default, MAIN_FORMAT)?;
        let main = cf.share(main)?;
        self.main.set(Some(main));
        Ok(main)
    }

    /// A format that the configuration has.
    pub fn named(&self, name: &[u8]) -> Option<Shared<Format>> {
        let formats = self.formats.as_ref().map_or(&[][..], List::as_slice);
        formats.iter().find(|format| format.name.as_bytes() == name).copied()
    }
}
