//! Whose certificates servers are believed with.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::Location;
use crate::config::{Config, Invalid};
use crate::setting_file::{read, wrong};

/// The setting that names a file with them.
const SETTING: &str = "ca_certificates";

/// Authorities, and TLS that goes by them.
#[derive(Clone)]
pub(crate) struct Trust(Arc<ClientConfig>);

impl Trust {
    /// As these settings need it: where nobody is asked over TLS, it need not be there.
    ///
    /// # Errors
    /// As for [`Trust::read`].
    pub(crate) fn of(config: &Config) -> Result<Self, Invalid> {
        let urls = [
            &config.alto_directory,
            &config.alto_network_map,
            &config.alto_cost_map,
            &config.token_keys_url,
        ];
        let mut urls = urls.into_iter().flatten().peekable();
        let is_asked = urls.peek().is_some();
        let is_needed = urls.any(|url| Location::parse(url).is_some_and(|url| url.is_secure()));
        match (&config.ca_certificates, is_needed) {
            (Some(path), _) => Self::read(Some(path)),
            (None, true) => Self::read(None),
            // Whoever is asked without TLS may refer to somebody who has it.
            (None, false) if is_asked => Self::read(None).or_else(|_| Self::new(RootCertStore::empty())),
            (None, false) => Self::new(RootCertStore::empty()),
        }
    }

    /// Of the authorities whose certificates are in this file (PEM), or else those that the system trusts.
    ///
    /// # Errors
    /// [`Invalid`]: the file cannot be read, or has none; the system has none.
    fn read(file: Option<&Path>) -> Result<Self, Invalid> {
        Self::new(match file {
            Some(path) => named(path)?,
            None => of_the_system()?,
        })
    }

    fn new(roots: RootCertStore) -> Result<Self, Invalid> {
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| invalid(error.to_string()))?;
        let mut config = config.with_root_certificates(roots).with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self(Arc::new(config)))
    }

    pub(super) fn connector(&self) -> TlsConnector {
        self.0.clone().into()
    }
}

fn named(path: &Path) -> Result<RootCertStore, Invalid> {
    let bytes = read(SETTING, path)?;
    let mut roots = RootCertStore::empty();
    for (index, certificate) in CertificateDer::pem_slice_iter(&bytes).enumerate() {
        let number = index + 1;
        let certificate =
            certificate.map_err(|error| wrong(SETTING, path, format_args!("not PEM: {error}")))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(SETTING, path, format_args!("certificate {number}: {error}")))?;
    }
    match roots.is_empty() {
        true => Err(wrong(
            SETTING,
            path,
            "has no certificate (PEM, BEGIN CERTIFICATE)",
        )),
        false => Ok(roots),
    }
}

fn of_the_system() -> Result<RootCertStore, Invalid> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Some that cannot be used are in every system.
    roots.add_parsable_certificates(found.certs);
    match (roots.is_empty(), found.errors.first()) {
        (false, _) => Ok(roots),
        (true, None) => Err(invalid(
            "the system trusts no authority: name a file with certificates".to_owned(),
        )),
        (true, Some(error)) => Err(invalid(format!("of the system: {error}"))),
    }
}

fn invalid(reason: String) -> Invalid {
    Invalid {
        key: SETTING.to_owned(),
        reason,
    }
}

impl fmt::Debug for Trust {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Trust").finish_non_exhaustive()
    }
}
