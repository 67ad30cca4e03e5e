//! Limits by address: `pop3_limit_zone`, `pop3_limit_conn` and `pop3_login_delay`.

use ngx_mail::conf::{Conf, Refused};
use ngx_mail::shared::Shared;
use ngx_mail::text::Text;

use crate::limits::Zone;

/// What stands in one level of the configuration.
#[derive(Default)]
pub struct Settings {
    /// `pop3_limit_zone`.
    pub zone: Option<Shared<Zone>>,
    /// `pop3_limit_conn`, and its text.
    pub sessions: Option<(u32, Text)>,
    /// `pop3_login_delay`, in milliseconds, and its text; 0 is none.
    pub delay: Option<(u64, Text)>,
}

/// The limits of a server.
pub struct Limits {
    /// What the addresses have.
    pub zone: Shared<Zone>,
    /// How many sessions an address may have, if there is a limit, and its text.
    pub sessions: Option<(u32, Text)>,
    /// The most that an attempt waits behind failed ones, in milliseconds, if it does, and
    /// its text.
    pub delay: Option<(u64, Text)>,
}

impl Settings {
    /// The server's limits, if it has any.
    ///
    /// # Errors
    ///
    /// There is no zone for them.
    pub fn merge(&self, parent: &Self, cf: &mut Conf<'_>) -> Result<Option<Limits>, Refused> {
        let sessions = self.sessions.or(parent.sessions);
        let delay = self.delay.or(parent.delay).filter(|&(delay, _)| delay > 0);
        let name: &[u8] = match (sessions, delay) {
            (Some(_), _) => b"pop3_limit_conn",
            (None, Some(_)) => b"pop3_login_delay",
            (None, None) => return Ok(None),
        };
        if delay.is_some_and(|(delay, _)| delay >= cf.server().timeout as u64) {
            cf.warn(
                c"directive",
                b"pop3_login_delay",
                c"has a time that is not less than \"timeout\": when logins of an address have \
                  failed, none from there may be checked for half an hour. Take a fifth of that, \
                  or less",
            );
        }
        match parent.zone {
            Some(zone) => Ok(Some(Limits { zone, sessions, delay })),
            None => Err(cf.refuse(
                c"directive",
                name,
                c"needs memory for addresses: add \"pop3_limit_zone 1m;\" to mail{}",
            )),
        }
    }
}
