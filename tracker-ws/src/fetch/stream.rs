//! A connection to a server: TCP, with TLS where the URL says so.

use std::io;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::rustls::pki_types::ServerName;

use super::{FetchError, Location, Trust};

/// Its bytes, both ways.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

pub(super) async fn connect(trust: &Trust, to: &Location) -> Result<Box<dyn Stream>, FetchError> {
    let url = || to.to_string();
    let (host, port) = to.host();
    let stream = TcpStream::connect((host.as_str(), port))
        .await
        .map_err(|source| FetchError::Unreachable { url: url(), source })?;
    if !to.is_secure() {
        return Ok(Box::new(stream));
    }
    let failed = |source| FetchError::Tls { url: url(), source };
    let name = ServerName::try_from(host).map_err(|error| failed(io::Error::other(error)))?;
    let stream = trust.connector().connect(name, stream).await.map_err(failed)?;
    Ok(Box::new(stream))
}
