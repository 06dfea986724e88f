//! Membership certificates (RFC 7574 §8.13): the tracker states that a peer was a member of a swarm for a time. Peers
//! hand them on in PEX_REScert, so that nobody can make others contact peers of its own invention.
//!
//! They are X.509 version 3, DER, in one form only, and [`parse`] refuses every other:
//!
//! | Field | Value |
//! |---|---|
//! | signature | ECDSA with SHA-256, by the tracker's P-256 key |
//! | serial number | 1 to 20 bytes, positive; random |
//! | issuer, subject | mean nothing here; we issue `CN=Shoal tracker` and an empty subject |
//! | validity | UTCTime to 2049, GeneralizedTime after, in seconds; [`MAX_LIFETIME`] at most |
//! | subject public key | the peer's key, P-256, uncompressed |
//! | subjectAltName | critical; one URI, `file://<label>.peer.invalid:9/<swarm ID, lower-case hex>` |
//! | keyUsage | digitalSignature and nothing else, where it is present (we issue it, critical) |
//! | basicConstraints | not a CA, where it is present (we issue it, critical) |
//! | other extensions | ignored unless critical |
//!
//! `<label>` is the base32 (RFC 4648, lower case, no padding) of the first 20 bytes of the peer ID, which is the SHA-256
//! of the key blob: a name that is syntactically the host RFC 7574 wants, and visibly not one to dial. Peers in
//! browsers have no address of their own; they are reached through whom they are known from.
//!
//! Nothing here has a clock or checks a signature: WebCrypto does in the browser, `p256` natively.
//!
//! ```ignore
//! let parsed = parse(&der)?;
//! check(&parsed, swarm_id, now)?;
//! // Then verify parsed.signature over parsed.tbs with the tracker's key.
//! ```
//!
//! With the feature `issue` (native only) the function `issue` makes them.

mod der;
mod error;
#[cfg(feature = "issue")]
mod issue;
mod membership;
mod name;
mod parse;
mod time;

pub use error::{CertificateError, Field, Problem};
#[cfg(feature = "issue")]
pub use issue::{IssueError, issue};
pub use membership::Membership;
pub use parse::{Parsed, check, parse};

/// Longest certificate that is read, bytes. Those we issue have some 450 to 600.
pub const MAX_CERTIFICATE: usize = 4096;
/// Longest time a certificate may be valid for, seconds.
pub const MAX_LIFETIME: u64 = 24 * 60 * 60;
/// Longest swarm ID in a certificate, bytes.
pub const MAX_SWARM_ID: usize = 130;
/// Bytes of a key blob: the algorithm, x, y.
pub const KEY_BLOB_LEN: usize = 65;
/// Bytes of a signature: r, s.
pub const SIGNATURE_LEN: usize = 64;
/// DNSSEC algorithm number of ECDSA P-256 with SHA-256, the first byte of a key blob (RFC 7574 §7.9).
pub const ECDSA_P256: u8 = 13;
