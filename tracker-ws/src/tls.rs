//! TLS of the tracker's own: certificate and key from files, read again when the settings are.

mod tickets;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{NoServerSessionStorage, ProducesTickets};
use tokio_rustls::rustls::{Error, ServerConfig};

use crate::config::Invalid;
pub(crate) use tickets::{LIFETIME as TICKET_LIFETIME, SECRET_LEN, SharedTickets, new_secret};

use crate::setting_file::{read, wrong};

const CERTIFICATE: &str = "tls_certificate";
const KEY: &str = "tls_key";

/// What seals the tickets with which clients resume; it stays when the certificate is another.
#[derive(Clone, Debug)]
pub(crate) struct Tickets(Arc<dyn ProducesTickets>);

impl Tickets {
    /// Those of a cluster.
    pub(crate) fn shared(tickets: Arc<SharedTickets>) -> Self {
        Self(tickets)
    }

    /// Draws keys, and new ones every few hours.
    ///
    /// # Errors
    /// [`Invalid`]: the system gives no random numbers.
    pub(crate) fn new() -> Result<Self, Invalid> {
        let tickets = ring::Ticketer::new();
        tickets.map(Self).map_err(|error| Invalid {
            key: CERTIFICATE.to_owned(),
            reason: format!("no keys for tickets: {error}"),
        })
    }
}

/// A certificate with its key, ready to be shown.
#[derive(Clone)]
pub(crate) struct Tls {
    acceptor: TlsAcceptor,
    certificate: CertificateDer<'static>,
}

impl Tls {
    /// Reads a chain of certificates, the tracker's own first, and the key of that: PEM.
    ///
    /// # Errors
    /// [`Invalid`]: a file cannot be read, has nothing of the kind in it, or the key does not fit.
    pub(crate) fn read(certificate: &Path, key: &Path, tickets: &Tickets) -> Result<Self, Invalid> {
        let bytes = read(CERTIFICATE, certificate)?;
        let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&bytes).collect();
        let chain = chain.map_err(|error| wrong(CERTIFICATE, certificate, describe(&error)))?;
        let Some(own) = chain.first().cloned() else {
            let none = "has no certificate (PEM, BEGIN CERTIFICATE)";
            return Err(wrong(CERTIFICATE, certificate, none));
        };
        let private = PrivateKeyDer::from_pem_slice(&read(KEY, key)?).map_err(|error| match error {
            pem::Error::NoItemsFound => wrong(KEY, key, "has no private key (PEM, BEGIN PRIVATE KEY)"),
            error => wrong(KEY, key, describe(&error)),
        })?;
        let refused = |error| match error {
            Error::InconsistentKeys(_) => {
                let certificate = certificate.display();
                wrong(KEY, key, format_args!("is not the key of {certificate}"))
            }
            Error::InvalidCertificate(error) => {
                wrong(CERTIFICATE, certificate, format_args!("its first one: {error:?}"))
            }
            error => wrong(KEY, key, format_args!("cannot be used: {error}")),
        };
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(refused)?
            .with_no_client_auth()
            .with_single_cert(chain, private)
            .map_err(refused)?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // Who resumes brings what is needed: nothing is kept of anybody.
        config.ticketer = tickets.0.clone();
        config.session_storage = Arc::new(NoServerSessionStorage {});
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate: own,
        })
    }

    pub(crate) fn acceptor(&self) -> &TlsAcceptor {
        &self.acceptor
    }

    /// Is it the same certificate?
    pub(crate) fn shows_the_same(&self, other: &Self) -> bool {
        self.certificate == other.certificate
    }
}

fn describe(error: &pem::Error) -> String {
    format!("not PEM: {error}")
}

impl fmt::Debug for Tls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Tls").finish_non_exhaustive()
    }
}
