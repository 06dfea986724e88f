//! Making certificates, as a tracker does.

use std::time::Duration;

use p256::ecdsa::{DerSignature, SigningKey, VerifyingKey};
use x509_cert::TbsCertificate;
use x509_cert::builder::profile::BuilderProfile;
use x509_cert::builder::{Builder, CertificateBuilder};
use x509_cert::der::asn1::{Ia5String, OctetString};
use x509_cert::der::flagset::FlagSet;
use x509_cert::der::oid::AssociatedOid;
use x509_cert::der::{self, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::name::GeneralName;
use x509_cert::ext::pkix::{BasicConstraints, KeyUsage, KeyUsages, SubjectAltName};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::spki::{SubjectPublicKeyInfo, SubjectPublicKeyInfoRef};
use x509_cert::time::{Time, Validity};

use crate::membership::Membership;
use crate::{ECDSA_P256, MAX_LIFETIME, MAX_SWARM_ID, name};

const ISSUER: &str = "CN=Shoal tracker";

/// Why a certificate was not made.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// Not an algorithm byte 13 with a point of the curve.
    #[error("key_blob: not a P-256 key")]
    Key,
    /// The peer ID is that of another key.
    #[error("peer_id: not the key's")]
    PeerId,
    /// The swarm ID is empty or too long.
    #[error("swarm_id: not 1 to {MAX_SWARM_ID} bytes")]
    SwarmId,
    /// It would be valid for longer than [`MAX_LIFETIME`], or its end is before its beginning.
    #[error("not_before, not_after: not 0 to {MAX_LIFETIME} seconds apart")]
    Lifetime,
    /// The serial number or a time cannot be written.
    #[error("serial, not_before or not_after: {0}")]
    Encoding(#[from] der::Error),
    /// The certificate cannot be put together or signed.
    #[error("{0}")]
    Builder(#[from] x509_cert::builder::Error),
}

/// A certificate of `membership`, signed by the tracker's key, in DER.
///
/// # Errors
/// [`IssueError`] when the membership is not one that [`crate::parse`] and [`crate::check`] would accept, or its key is
/// not a point of the curve.
pub fn issue(tracker_key: &SigningKey, membership: &Membership) -> Result<Vec<u8>, IssueError> {
    let Membership {
        key_blob,
        peer_id,
        swarm_id,
        not_before,
        not_after,
        serial,
    } = membership;
    let mut point = *key_blob;
    if std::mem::replace(&mut point[0], 4) != ECDSA_P256 {
        return Err(IssueError::Key);
    }
    let key = VerifyingKey::from_sec1_bytes(&point).map_err(|_| IssueError::Key)?;
    if Membership::new(*key_blob, Vec::new(), 0, 0, Vec::new()).peer_id != *peer_id {
        return Err(IssueError::PeerId);
    }
    if swarm_id.is_empty() || swarm_id.len() > MAX_SWARM_ID {
        return Err(IssueError::SwarmId);
    }
    let lifetime = not_after.checked_sub(*not_before);
    if lifetime.is_none_or(|lifetime| lifetime > MAX_LIFETIME) {
        return Err(IssueError::Lifetime);
    }
    let time = |unix: u64| der::DateTime::from_unix_duration(Duration::from_secs(unix)).map(Time::from);
    let builder = CertificateBuilder::new(
        Profile {
            uri: name::write(peer_id, swarm_id),
            issuer: ISSUER.parse()?,
        },
        SerialNumber::new(serial)?,
        Validity::new(time(*not_before)?, time(*not_after)?),
        SubjectPublicKeyInfo::from_key(&key).map_err(x509_cert::builder::Error::from)?,
    )?;
    Ok(builder.build::<_, DerSignature>(tracker_key)?.to_der()?)
}

/// The form of our certificates.
struct Profile {
    uri: String,
    issuer: Name,
}

impl BuilderProfile for Profile {
    fn get_issuer(&self, _: &Name) -> Name {
        self.issuer.clone()
    }

    fn get_subject(&self) -> Name {
        Name::default()
    }

    fn build_extensions(
        &self,
        _: SubjectPublicKeyInfoRef<'_>,
        _: SubjectPublicKeyInfoRef<'_>,
        _: &TbsCertificate,
    ) -> Result<Vec<Extension>, x509_cert::builder::Error> {
        let uri = GeneralName::UniformResourceIdentifier(Ia5String::new(&self.uri)?);
        Ok(vec![
            critical(&BasicConstraints {
                ca: false,
                path_len_constraint: None,
            })?,
            critical(&KeyUsage(FlagSet::from(KeyUsages::DigitalSignature)))?,
            critical(&SubjectAltName(vec![uri]))?,
        ])
    }
}

fn critical<E: AssociatedOid + Encode>(extension: &E) -> der::Result<Extension> {
    Ok(Extension {
        extn_id: E::OID,
        critical: true,
        extn_value: OctetString::new(extension.to_der()?)?,
    })
}
