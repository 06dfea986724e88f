//! Reading a certificate, and whether it says what is wanted.

use core::cell::Cell;

use crate::der::{BOOLEAN, INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, Reader, SEQUENCE};
use crate::error::{CertificateError, Field, Problem};
use crate::membership::Membership;
use crate::{ECDSA_P256, KEY_BLOB_LEN, MAX_CERTIFICATE, MAX_LIFETIME, SIGNATURE_LEN, name, time};

/// `[0]` and `[3]` of TBSCertificate: explicit version, extensions.
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
/// `[6]` of GeneralName: uniformResourceIdentifier.
const URI: u8 = 0x86;
/// Version 3 is 2.
const VERSION_3: &[u8] = &[2];
const MAX_SERIAL: usize = 20;
/// 1.2.840.10045.4.3.2 without parameters.
const ECDSA_WITH_SHA256: &[u8] = &[OBJECT_IDENTIFIER, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
/// id-ecPublicKey with prime256v1, and a BIT STRING of an uncompressed point: all but x and y.
const P256_KEY: &[u8] = &[
    SEQUENCE,
    19,
    OBJECT_IDENTIFIER,
    7,
    0x2a,
    0x86,
    0x48,
    0xce,
    0x3d,
    2,
    1,
    OBJECT_IDENTIFIER,
    8,
    0x2a,
    0x86,
    0x48,
    0xce,
    0x3d,
    3,
    1,
    7,
    3,
    66,
    0,
    4,
];
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const SUBJECT_ALT_NAME: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
/// A BIT STRING with bit 0 and no other.
const DIGITAL_SIGNATURE: &[u8] = &[3, 2, 7, 0x80];
/// An empty SEQUENCE: `cA` is false.
const NOT_A_CA: &[u8] = &[SEQUENCE, 0];

/// A certificate of the right form. Whether it is of the right swarm, in time, and signed by the tracker is not known
/// yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parsed<'a> {
    /// What it says. The peer ID is that of the key, and the one it was issued for.
    pub membership: Membership,
    /// TBSCertificate: the bytes that are signed.
    pub tbs: &'a [u8],
    /// ECDSA signature over the SHA-256 of `tbs`: r, then s, as WebCrypto wants it.
    pub signature: [u8; SIGNATURE_LEN],
}

/// Reads a certificate in DER.
///
/// # Errors
/// [`CertificateError`] when it is longer than [`MAX_CERTIFICATE`], not DER, or not of the form that the crate's
/// documentation describes.
pub fn parse(der: &[u8]) -> Result<Parsed<'_>, CertificateError> {
    if der.len() > MAX_CERTIFICATE {
        return Err(CertificateError::TooLong);
    }
    let first = Cell::new(None);
    let mut certificate = Reader::new(Field::Certificate, &[], &first).enter_only(Field::Certificate, der);
    let mut rest = certificate;
    let (_, _, tbs) = rest.any();
    let membership = read_tbs(certificate.enter(Field::TbsCertificate, SEQUENCE));
    signature_algorithm(&mut certificate);
    let signature = read_signature(&mut certificate);
    certificate.end();
    match first.get() {
        Some(error) => Err(error),
        None => Ok(Parsed {
            membership,
            tbs,
            signature,
        }),
    }
}

/// Is the certificate one of this swarm, valid at `now` (Unix seconds) and not for too long?
///
/// # Errors
/// [`CertificateError`]: `Lifetime`, `WrongSwarm`, `NotYetValid` or `Expired`.
pub fn check(parsed: &Parsed<'_>, swarm_id: &[u8], now: u64) -> Result<(), CertificateError> {
    let membership = &parsed.membership;
    let lifetime = membership.not_after.checked_sub(membership.not_before);
    if lifetime.is_none_or(|lifetime| lifetime > MAX_LIFETIME) {
        return Err(CertificateError::Lifetime);
    }
    if membership.swarm_id != swarm_id {
        return Err(CertificateError::WrongSwarm);
    }
    if now < membership.not_before {
        return Err(CertificateError::NotYetValid);
    }
    if now > membership.not_after {
        return Err(CertificateError::Expired);
    }
    Ok(())
}

fn read_tbs(mut tbs: Reader<'_, '_>) -> Membership {
    let mut version = tbs.enter(Field::Version, VERSION);
    if version.expect(INTEGER) != VERSION_3 {
        version.refuse(Problem::NotOurs);
    }
    version.end();
    let serial = tbs.named(Field::SerialNumber).positive(MAX_SERIAL);
    signature_algorithm(&mut tbs);
    // Who signed is a matter of the tracker's key, and who is meant of the subject's.
    tbs.named(Field::Issuer).expect(SEQUENCE);
    let mut validity = tbs.enter(Field::Validity, SEQUENCE);
    let not_before = time::read(&mut validity);
    let not_after = time::read(&mut validity);
    validity.end();
    tbs.named(Field::Subject).expect(SEQUENCE);
    let key_blob = read_key(tbs.named(Field::SubjectPublicKeyInfo));
    let mut membership = Membership::new(key_blob, Vec::new(), not_before, not_after, serial.to_vec());
    let uri = read_extensions(&mut tbs);
    tbs.end();
    match name::read(uri, &membership.peer_id) {
        Ok(swarm_id) => membership.swarm_id = swarm_id,
        Err(error) => tbs.record(error),
    }
    membership
}

/// AlgorithmIdentifier: stands both in what is signed and beside it.
#[inline(never)]
fn signature_algorithm(reader: &mut Reader<'_, '_>) {
    if reader.named(Field::SignatureAlgorithm).expect(SEQUENCE) != ECDSA_WITH_SHA256 {
        reader.refuse(Problem::NotOurs);
    }
}

fn read_key(info: &mut Reader<'_, '_>) -> [u8; KEY_BLOB_LEN] {
    let mut key_blob = [ECDSA_P256; KEY_BLOB_LEN];
    match info.expect(SEQUENCE).strip_prefix(P256_KEY) {
        Some(point) if point.len() == KEY_BLOB_LEN - 1 => key_blob[1..].copy_from_slice(point),
        _ => info.refuse(Problem::NotOurs),
    }
    key_blob
}

/// Ecdsa-Sig-Value (RFC 3279 §2.2.3) as r and s of 32 bytes each.
fn read_signature(certificate: &mut Reader<'_, '_>) -> [u8; SIGNATURE_LEN] {
    let bytes = certificate.named(Field::Signature).whole_bytes();
    let mut value = certificate.enter_only(Field::Signature, bytes);
    let mut signature = [0; SIGNATURE_LEN];
    for half in signature.chunks_exact_mut(SIGNATURE_LEN / 2) {
        let number = value.positive(half.len());
        let zeros = half.len() - number.len();
        half[zeros..].copy_from_slice(number);
    }
    value.end();
    signature
}

/// The URI of the subjectAltName; all other extensions are checked.
fn read_extensions<'a>(tbs: &mut Reader<'a, '_>) -> &'a [u8] {
    let mut uri = None;
    if !tbs.is_empty() {
        let outside = tbs.named(Field::Extensions).expect(EXTENSIONS);
        let mut extensions = tbs.enter_only(Field::Extensions, outside);
        while !extensions.is_empty() {
            read_extension(extensions.enter(Field::Extensions, SEQUENCE), &mut uri);
        }
    }
    uri.unwrap_or_else(|| {
        tbs.named(Field::SubjectAltName).refuse(Problem::Missing);
        &[]
    })
}

/// One extension; the URI when it is the subjectAltName.
fn read_extension<'a>(mut extension: Reader<'a, '_>, uri: &mut Option<&'a [u8]>) {
    let id = extension.expect(OBJECT_IDENTIFIER);
    let critical = extension.is_next(BOOLEAN);
    // What has its default value, false, is left out in DER.
    if critical && extension.expect(BOOLEAN) != [0xff] {
        extension.refuse(Problem::NotOurs);
    }
    let value = extension.expect(OCTET_STRING);
    extension.end();
    match id {
        SUBJECT_ALT_NAME if !critical => extension.record(CertificateError::NameNotCritical),
        SUBJECT_ALT_NAME if uri.is_some() => {
            extension.named(Field::SubjectAltName).refuse(Problem::NotOurs);
        }
        SUBJECT_ALT_NAME => *uri = Some(only_uri(&extension, value)),
        KEY_USAGE if value != DIGITAL_SIGNATURE => {
            extension.named(Field::KeyUsage).refuse(Problem::NotOurs);
        }
        BASIC_CONSTRAINTS if value != NOT_A_CA => {
            extension.named(Field::BasicConstraints).refuse(Problem::NotOurs);
        }
        KEY_USAGE | BASIC_CONSTRAINTS => {}
        _ if critical => extension.record(CertificateError::UnknownCritical),
        _ => {}
    }
}

/// The URI of GeneralNames that are nothing else.
fn only_uri<'a>(extension: &Reader<'a, '_>, names: &'a [u8]) -> &'a [u8] {
    let mut names = extension.enter_only(Field::SubjectAltName, names);
    let (tag, uri, _) = names.any();
    if tag != URI || !names.is_empty() {
        names.record(CertificateError::NameNotOurs);
    }
    uri
}
