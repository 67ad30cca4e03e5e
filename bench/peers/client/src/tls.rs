//! TLS as a client has it who asks only what a handshake costs.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{ClientConfig, Resumption};
use rustls::crypto::{self, CryptoProvider};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::version::TLS13;
use rustls::{DigitallySignedStruct, Error, SignatureScheme};

use crate::Failure;

/// How a client speaks with the server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Without TLS.
    Plain,
    /// In TLS 1.3 with a handshake in full each time.
    Full,
    /// In TLS 1.3 with the session of the client's login before.
    Reused,
}

impl Kind {
    /// The kind of that name on the command line.
    pub fn named(name: &str) -> Result<Self, Failure> {
        match name {
            "full" => Ok(Self::Full),
            "reused" => Ok(Self::Reused),
            _ => Err(format!("no kind of TLS: {name}").into()),
        }
    }

    /// What one client has for its logins: sessions are its own.
    pub fn config(self) -> Result<Option<Arc<ClientConfig>>, Failure> {
        if self == Self::Plain {
            return Ok(None);
        }

        let provider = Arc::new(crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(&[&TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody(provider)))
            .with_no_client_auth();
        config.resumption = match self {
            Self::Reused => Resumption::in_memory_sessions(8),
            _ => Resumption::disabled(),
        };

        Ok(Some(Arc::new(config)))
    }
}

/// Takes every certificate, as that of the benchmark has no issuer. The signature is
/// checked: that is a client's work.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls12_signature(message, certificate, signature, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.0.signature_verification_algorithms;
        crypto::verify_tls13_signature(message, certificate, signature, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
