//! What can be wrong with a certificate.

use core::fmt;

use crate::{MAX_CERTIFICATE, MAX_LIFETIME};

/// Why a certificate is refused.
///
/// No text is in it, only which text: results of a few bytes keep the reader small in the browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Longer than [`MAX_CERTIFICATE`].
    #[error("certificate: longer than {MAX_CERTIFICATE} bytes")]
    TooLong,
    /// A field that is not DER, or not what it must be in this profile.
    #[error("{0}: {1}")]
    Field(Field, Problem),
    /// A critical extension that is not known here.
    #[error("extensions: an unknown one is critical")]
    UnknownCritical,
    /// A subjectAltName that readers may ignore.
    #[error("subjectAltName: not critical")]
    NameNotCritical,
    /// A subjectAltName that is not exactly one URI of our form.
    #[error("subjectAltName: not one URI file://<peer>.peer.invalid:9/<swarm>")]
    NameNotOurs,
    /// The subjectAltName names another peer than the key's.
    #[error("subjectAltName: the peer is not the key's")]
    PeerMismatch,
    /// A member of another swarm.
    #[error("certificate of another swarm")]
    WrongSwarm,
    /// notBefore lies ahead.
    #[error("certificate not valid yet")]
    NotYetValid,
    /// notAfter has passed.
    #[error("certificate expired")]
    Expired,
    /// Valid for longer than [`MAX_LIFETIME`], or notAfter before notBefore.
    #[error("validity: not 0 to {MAX_LIFETIME} seconds")]
    Lifetime,
}

/// A field of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The whole.
    Certificate,
    /// What is signed.
    TbsCertificate,
    /// X.509's version.
    Version,
    /// The serial number.
    SerialNumber,
    /// The algorithm of the signature, which is named inside and outside of what is signed.
    SignatureAlgorithm,
    /// Who signed.
    Issuer,
    /// From when to when.
    Validity,
    /// Who is meant.
    Subject,
    /// The peer's key.
    SubjectPublicKeyInfo,
    /// Everything version 3 added.
    Extensions,
    /// What the key is for.
    KeyUsage,
    /// Whether the key is a CA's.
    BasicConstraints,
    /// Peer and swarm.
    SubjectAltName,
    /// The tracker's signature.
    Signature,
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not there.
    Missing,
    /// A length that is not written in DER, or a tag of several bytes.
    NotDer,
    /// It ends after what it is in.
    Overrun,
    /// It is of another type, or in another place.
    WrongType,
    /// More follows than may.
    TrailingBytes,
    /// Not what this profile asks for.
    NotOurs,
}

impl fmt::Display for Field {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certificate => "certificate",
            Self::TbsCertificate => "tbsCertificate",
            Self::Version => "version",
            Self::SerialNumber => "serialNumber",
            Self::SignatureAlgorithm => "signatureAlgorithm",
            Self::Issuer => "issuer",
            Self::Validity => "validity",
            Self::Subject => "subject",
            Self::SubjectPublicKeyInfo => "subjectPublicKeyInfo",
            Self::Extensions => "extensions",
            Self::KeyUsage => "keyUsage",
            Self::BasicConstraints => "basicConstraints",
            Self::SubjectAltName => "subjectAltName",
            Self::Signature => "signature",
        })
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "missing",
            Self::NotDer => "not in DER",
            Self::Overrun => "longer than what it is in",
            Self::WrongType => "of another type than it must be",
            Self::TrailingBytes => "trailing bytes",
            Self::NotOurs => "not as membership certificates have it",
        })
    }
}
