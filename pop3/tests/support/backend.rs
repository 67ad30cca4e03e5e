//! A caller of a [`Dialogue`] with a backend that is told what to send: it keeps what
//! is less than a line and notes the steps.

#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use pop3::ResponseCode;
use pop3::backend::{Broken, Command, Dialogue, MAX_LINE, Options, Step};

/// What a line of the backend has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Noted {
    Send(Command),
    Challenged(Command, Vec<u8>),
    StartTls,
    LoggedIn(Vec<u8>),
    Refused(ResponseCode, Vec<u8>),
    Broken(Broken, Vec<u8>),
}

/// Gives the backend one turn, in which `bytes` come in pieces that end at `cuts`. The
/// last piece has all from the line's end on: what comes after a line has been taken is
/// no part of the turn. Gives nothing if the line does not end.
pub fn turn(dialogue: &mut Dialogue, bytes: &[u8], cuts: &[usize]) -> Option<Noted> {
    let end = bytes.iter().position(|&byte| byte == b'\n').unwrap_or(bytes.len());
    let cuts = cuts.iter().copied().filter(|&cut| cut <= end);
    let mut held = vec![];

    for to in cuts.chain([bytes.len()]) {
        held.extend_from_slice(&bytes[held.len()..to]);
        let noted = match dialogue.next(&held) {
            Step::Wait => {
                assert!(held.len() < MAX_LINE, "{} bytes held", held.len());
                continue;
            }
            Step::Send(command) => Noted::Send(command),
            Step::Challenged(command, text) => Noted::Challenged(command, text.to_vec()),
            Step::StartTls => Noted::StartTls,
            Step::LoggedIn(line) => Noted::LoggedIn(line.to_vec()),
            Step::Refused(code, text) => Noted::Refused(code, text.to_vec()),
            Step::Broken(why, text) => Noted::Broken(why, text.to_vec()),
        };
        return Some(noted);
    }

    None
}

/// Plays a login at a backend that sends each of `turns` in its turn, cut as `cuts` says
/// for a length. Gives the steps up to the one that ends the dialogue, or that the
/// backend does not answer.
pub fn log_in<T: AsRef<[u8]>>(
    turns: &[T],
    options: Options,
    cuts: impl Fn(usize) -> Vec<usize>,
) -> Vec<Noted> {
    let mut dialogue = Dialogue::new(options);
    let mut steps = vec![];

    for bytes in turns.iter().map(AsRef::as_ref) {
        let Some(noted) = turn(&mut dialogue, bytes, &cuts(bytes.len())) else { break };
        let goes_on = matches!(noted, Noted::Send(_) | Noted::Challenged(..) | Noted::StartTls);
        let secured = noted == Noted::StartTls;
        steps.push(noted);
        if secured {
            steps.push(Noted::Send(dialogue.secured()));
        }
        if !goes_on {
            break;
        }
    }

    steps
}
