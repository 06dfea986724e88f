//! The PROXY protocol, version 2: the addresses of a connection, told by the proxy before anything else.

use std::io;
use std::net::SocketAddr;

use ppp::v2::{Addresses, Command, Header, Protocol};
use tokio::io::{AsyncRead, AsyncReadExt};

/// Bytes before the addresses: 12 of signature, version and command, family and protocol, two of length.
const FIXED: usize = 16;
/// Longest rest that is read: addresses of 36 bytes, and what else a proxy tells (certificates' names and the like).
const MAX_REST: usize = 2048;

/// What a header tells of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// The proxy speaks for itself, to see whether we are there; or does not know.
    Nothing,
    /// Where the connection came from, and which address it was for.
    Addresses { from: SocketAddr, to: SocketAddr },
}

/// Why a header is refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProxyError {
    #[error("PROXY header: {0}")]
    Io(#[from] io::Error),
    #[error("PROXY header: {0}")]
    Malformed(#[from] ppp::v2::ParseError),
    #[error("PROXY header: {0} bytes after the first 16")]
    TooLong(usize),
    #[error("PROXY header: not of a TCP connection")]
    NotTcp,
}

/// Reads a header, and nothing of what follows it.
///
/// # Errors
/// [`ProxyError`]: there is none; nothing that was read can be taken for something else.
pub(crate) async fn read_header<R: AsyncRead + Unpin>(stream: &mut R) -> Result<Told, ProxyError> {
    let mut header = vec![0; FIXED];
    stream.read_exact(&mut header).await?;
    // Before anything is waited for that it speaks of: is it one at all?
    match Header::try_from(&header[..]) {
        Ok(_) | Err(ppp::v2::ParseError::Partial(..)) => {}
        Err(error) => return Err(error.into()),
    }
    let rest = usize::from(u16::from_be_bytes([header[FIXED - 2], header[FIXED - 1]]));
    if rest > MAX_REST {
        return Err(ProxyError::TooLong(rest));
    }
    header.resize(FIXED + rest, 0);
    stream.read_exact(&mut header[FIXED..]).await?;
    let header = Header::try_from(&header[..])?;
    let (from, to): (SocketAddr, SocketAddr) = match (header.command, header.addresses) {
        (Command::Local, _) | (Command::Proxy, Addresses::Unspecified) => return Ok(Told::Nothing),
        _ if header.protocol != Protocol::Stream => return Err(ProxyError::NotTcp),
        (Command::Proxy, Addresses::IPv4(ip)) => (
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        ),
        (Command::Proxy, Addresses::IPv6(ip)) => (
            (ip.source_address, ip.source_port).into(),
            (ip.destination_address, ip.destination_port).into(),
        ),
        (Command::Proxy, Addresses::Unix(_)) => return Err(ProxyError::NotTcp),
    };
    Ok(Told::Addresses { from, to })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    const V4: &[u8] = &[192, 0, 2, 1, 198, 51, 100, 2, 0x12, 0x34, 0x01, 0xbb];

    fn header(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [SIGNATURE, &[command, family], &length, rest].concat()
    }

    /// What is told, and what was left.
    async fn read(bytes: &[u8]) -> (Result<Told, String>, usize) {
        let mut rest = bytes;
        let told = read_header(&mut rest).await.map_err(|error| error.to_string());
        (told, rest.len())
    }

    fn addresses(from: &str, to: &str) -> Told {
        Told::Addresses {
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
        }
    }

    #[tokio::test]
    async fn headers_tell_addresses() {
        let v6 = {
            let mut bytes = [0; 36];
            bytes[..4].copy_from_slice(&[0x20, 1, 0xd, 0xb8]);
            (bytes[15], bytes[31]) = (1, 2);
            bytes[32..].copy_from_slice(&[0, 7, 0, 8]);
            bytes
        };
        let with_more = [V4, &[4, 0, 3, 1, 2, 3]].concat();
        let v4 = addresses("192.0.2.1:4660", "198.51.100.2:443");
        for (bytes, expected) in [
            (header(0x21, 0x11, V4), v4),
            (header(0x21, 0x11, &with_more), v4),
            (header(0x21, 0x21, &v6), addresses("[2001:db8::1]:7", "[::2]:8")),
            (header(0x20, 0x00, &[]), Told::Nothing),
            (header(0x20, 0x11, V4), Told::Nothing),
            (header(0x21, 0x00, &[]), Told::Nothing),
        ] {
            let followed = [&bytes[..], b"GET /"].concat();
            assert_eq!(read(&followed).await, (Ok(expected), 5), "{bytes:?}");
            for cut in 0..bytes.len() {
                let (told, _) = read(&bytes[..cut]).await;
                assert!(told.is_err(), "{cut} of {bytes:?}");
            }
        }
    }

    #[tokio::test]
    async fn everything_else_is_refused() {
        let long = vec![0; MAX_REST + 1];
        for (bytes, expected) in [
            (b"GET /ppsp HTTP/1.1\r\n\r\n".to_vec(), "PROXY header: "),
            // Version 1 is not spoken.
            (
                b"PROXY TCP4 192.0.2.1 198.51.100.2 1 2\r\n".to_vec(),
                "PROXY header: ",
            ),
            (header(0x11, 0x11, V4), "PROXY header: "),
            (header(0x22, 0x11, V4), "PROXY header: "),
            (header(0x21, 0x41, V4), "PROXY header: "),
            (header(0x21, 0x13, V4), "PROXY header: "),
            (header(0x21, 0x21, V4), "PROXY header: "),
            (header(0x21, 0x11, &V4[1..]), "PROXY header: "),
            (header(0x21, 0x12, V4), "PROXY header: not of a TCP"),
            (header(0x21, 0x31, &[0; 216]), "PROXY header: not of a TCP"),
            (header(0x21, 0x11, &long), "PROXY header: 2049 bytes after"),
        ] {
            let (told, _) = read(&bytes).await;
            let error = told.unwrap_err();
            assert!(error.starts_with(expected), "{bytes:?}: {error}");
        }
    }

    proptest::proptest! {
        #[test]
        fn whatever_comes_no_more_is_read_than_the_header(
            start in proptest::sample::select(vec![&b""[..], SIGNATURE]),
            bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        ) {
            let bytes = [start, &bytes].concat();
            let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
            let (told, left) = runtime.block_on(read(&bytes));
            if told.is_ok() {
                let length = usize::from(u16::from_be_bytes([bytes[14], bytes[15]]));
                proptest::prop_assert_eq!(bytes.len() - left, FIXED + length);
            }
        }
    }
}
