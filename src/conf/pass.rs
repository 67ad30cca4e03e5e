//! What `pop3_proxy_pass` names.

use ngx_mail::address::{Addresses, Host};
use ngx_mail::text::Text;

/// A backend of `pop3_proxy_pass`.
pub struct Pass {
    /// Where it is.
    pub addresses: Addresses,
    /// What it is called.
    pub host: Host,
    /// What stands in the configuration.
    pub text: Text,
}
