//! The tables by which nginx finds the module.

#![allow(unsafe_code)]

use ngx_mail::{Kind, Protocol};

use crate::client::state::State;
use crate::conf::ServerConf;
use crate::conf::auth_directives::{
    AuthHttp, AuthHttpHeader, AuthHttpKeepalive, AuthHttpPassClientCert, AuthHttpTimeout,
};
use crate::conf::directives::{Auth, CapabilityList, ClientBuffer, MaxCommands};
use crate::conf::limit_directives::{LimitConn, LimitZone, LoginDelay};
use crate::conf::log_directives::{Log, LogFormat};
use crate::conf::proxy::{
    AuthUserFile, ProxyPass, ProxyPipelining, ProxySsl, ProxySslCertificate,
    ProxySslCertificateKey, ProxySslCiphers, ProxySslCrl, ProxySslName, ProxySslPasswordFile,
    ProxySslProtocols, ProxySslServerName, ProxySslSessionReuse, ProxySslTrustedCertificate,
    ProxySslVerify, ProxySslVerifyDepth, ProxyXclient,
};

/// The module.
pub struct Pop3;

ngx_mail::module! {
    // It has no symbol of its own: after `load_module` of a newer file and a
    // reload, the dynamic linker would bind it to that of the older file. For
    // nginx's ./configure it has one, and `config` sees to it.
    #[cfg_attr(feature = "nginx-make", unsafe(export_name = "ngx_mail_pop3_rs_module"))]
    Pop3 {
        server_conf: ServerConf,
        state: State,
        protocol: Protocol {
            name: c"pop3",
            alpn: c"\x04pop3",
            ports: [110, 995, 0],
            kind: Kind::Pop3,
            internal_error: c"-ERR [SYS/TEMP] internal server error\r\n",
            certificate_error: c"-ERR SSL certificate error\r\n",
            no_certificate: c"-ERR No required SSL certificate\r\n",
        },
        directives: [
            Auth,
            CapabilityList,
            ClientBuffer,
            MaxCommands,
            ProxyPass,
            ProxyPipelining,
            ProxySsl,
            ProxySslCertificate,
            ProxySslCertificateKey,
            ProxySslCiphers,
            ProxySslCrl,
            ProxySslName,
            ProxySslPasswordFile,
            ProxySslProtocols,
            ProxySslServerName,
            ProxySslSessionReuse,
            ProxySslTrustedCertificate,
            ProxySslVerify,
            ProxySslVerifyDepth,
            ProxyXclient,
            AuthHttp,
            AuthHttpHeader,
            AuthHttpKeepalive,
            AuthHttpPassClientCert,
            AuthHttpTimeout,
            AuthUserFile,
            Log,
            LogFormat,
            LimitConn,
            LimitZone,
            LoginDelay,
        ],
    }
}

// nginx takes `pop3_auth`, `pop3_capabilities` and `protocol pop3` to the first module
// that knows them (ngx_add_module()). As in `config`, where nginx's ./configure writes
// these arrays by itself.
#[cfg(not(feature = "nginx-make"))]
ngx_mail::exports! {
    MODULE as c"ngx_mail_pop3_rs_module",
    before
        c"ngx_mail_pop3_module",
        c"ngx_mail_imap_module",
        c"ngx_mail_smtp_module",
        c"ngx_mail_auth_http_module",
}
