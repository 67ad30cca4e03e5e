//! How a login ends without success.

use ngx_mail::client::Client;
use ngx_mail::connection::Connection;
use ngx_mail::login;
use ngx_mail::record::End;
use ngx_mail::session::Session;

use super::limited;
use crate::client::dialogue;
use crate::client::state::{self, Next};
use crate::module::Pop3;
use crate::refusal::Refusal;

/// A session whose login is under way.
pub type Login<'a> = login::Login<'a, Pop3>;

/// Begins the dialogue with the client anew, when the present event is done.
pub fn resume(mut session: Session<'_, Pop3>) {
    let (mut connection, state) = session.parts();
    dialogue::resume(state);
    connection.set_action(c"in auth state");
    session.read_soon();
}

/// Tells the client of something that is wrong on our side, and goes on with it; or that
/// its time is over, which it may have waited for.
pub fn refuse(mut login: Login<'_>, reply: &[u8]) {
    if !login.parts().1.has_time() {
        limited::unanswered(&mut login);
    }
    leave(login, |connection, state| {
        let conf = connection.conf();
        dialogue::refuse(connection, conf, state, reply, false)
    });
}

/// Tells the client that its credentials are refused, with a challenge before if there is
/// one, and goes on with it unless that was the last one.
pub fn refuse_credentials(login: Login<'_>, mut refusal: Refusal) {
    leave(login, |connection, state| {
        let conf = connection.conf();
        match refusal.challenge.take().filter(|_| connection.has_time()) {
            Some(challenge) => dialogue::challenge(connection, conf, state, &challenge, refusal),
            None => {
                let Refusal { reply, last, .. } = refusal;
                dialogue::refuse(connection, conf, state, reply.as_slice(), last)
            }
        }
    });
}

/// Ends a login, and does what is said of its client then.
fn leave(login: Login<'_>, tell: impl FnOnce(Connection<'_, Pop3>, &mut state::State) -> Next) {
    let mut session = login.leave();
    let (mut connection, state) = session.parts();
    connection.set_action(c"in auth state");
    match tell(connection, state) {
        Next::Read => resume(session),
        Next::Send => session.wait_until_sent(),
        Next::Fail => session.internal_error(),
        _ => {
            session.connection().note_end(End::Client);
            session.close();
        }
    }
}

/// Tells the client of an error of ours.
#[cold]
pub fn fail(login: Login<'_>) {
    login.leave().internal_error();
}
