//! What ties a module's types to its tables.

use crate::bindings::ngx_mail_protocol_t;
use crate::conf::ServerConf;

/// A mail module that nginx knows of. [`module!`](crate::module!) implements it.
///
/// # Safety
///
/// `ctx_index` and `protocol` are those of the one module whose tables were made
/// for this type: nginx keeps its `ServerConf` and its `State` at that place, and
/// hands it the sessions of that protocol and no others.
pub unsafe trait Registered: Sized + 'static {
    /// The configuration of a server, and of the mail{} level.
    type ServerConf: ServerConf;
    /// What the module keeps of a session; an idle one has nothing beyond it.
    type State: Default + 'static;

    /// The module's place among the mail modules (ngx_module_t).
    fn ctx_index() -> usize;

    /// Its protocol (ngx_mail_protocol_t).
    fn protocol() -> *mut ngx_mail_protocol_t;
}
