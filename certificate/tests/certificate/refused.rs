//! Certificates that are proper X.509 but not ours, put together by hand.

use crate::common::{START, key, key_blob};
use shoal_certificate::{CertificateError, Membership, issue, parse};

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let contents = parts.concat();
    let length = contents.len();
    let head = match length {
        0..=0x7f => vec![tag, length as u8],
        0x80..=0xff => vec![tag, 0x81, length as u8],
        _ => vec![tag, 0x82, (length >> 8) as u8, length as u8],
    };
    [head, contents].concat()
}

fn sequence(parts: &[&[u8]]) -> Vec<u8> {
    element(0x30, parts)
}

fn extension(id: u8, critical: bool, value: &[u8]) -> Vec<u8> {
    let flag: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    sequence(&[&[6, 3, 0x55, 0x1d, id], flag, &element(4, &[value])])
}

fn names(parts: &[(u8, &str)]) -> Vec<u8> {
    let parts: Vec<Vec<u8>> = parts
        .iter()
        .map(|(tag, text)| element(*tag, &[text.as_bytes()]))
        .collect();
    sequence(&[&parts.concat()])
}

/// The fields of a certificate, as elements.
struct Parts {
    version: Vec<u8>,
    serial: Vec<u8>,
    algorithm: Vec<u8>,
    outer_algorithm: Vec<u8>,
    issuer: Vec<u8>,
    validity: Vec<u8>,
    subject: Vec<u8>,
    key: Vec<u8>,
    unique: Vec<u8>,
    extensions: Vec<Vec<u8>>,
    signature: Vec<u8>,
}

const ECDSA_WITH_SHA256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
const PUBLIC_KEY: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
const P256: &[u8] = &[6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

impl Parts {
    fn good() -> Self {
        let blob = key_blob(&key(2));
        let name = extension(17, true, &names(&[(0x86, &uri())]));
        Self {
            version: vec![0xa0, 3, 2, 1, 2],
            serial: vec![2, 1, 1],
            algorithm: sequence(&[ECDSA_WITH_SHA256]),
            outer_algorithm: sequence(&[ECDSA_WITH_SHA256]),
            issuer: sequence(&[]),
            validity: sequence(&[
                &element(0x17, &[b"231114221320Z"]),
                &element(0x17, &[b"231114231320Z"]),
            ]),
            subject: sequence(&[]),
            key: sequence(&[
                &sequence(&[PUBLIC_KEY, P256]),
                &element(3, &[&[0, 4], &blob[1..]]),
            ]),
            unique: Vec::new(),
            extensions: vec![name],
            signature: element(3, &[&[0], &sequence(&[&[2, 1, 1], &[2, 1, 2]])]),
        }
    }

    fn der(&self) -> Vec<u8> {
        let extensions = match &self.extensions[..] {
            [] => Vec::new(),
            extensions => element(0xa3, &[&sequence(&[&extensions.concat()])]),
        };
        let tbs = sequence(&[
            &self.version,
            &self.serial,
            &self.algorithm,
            &self.issuer,
            &self.validity,
            &self.subject,
            &self.key,
            &self.unique,
            &extensions,
        ]);
        sequence(&[&tbs, &self.outer_algorithm, &self.signature])
    }
}

/// The URI of the peer with key 2 in swarm 07, from what the library issues: its form is tested beside it.
fn uri() -> String {
    let membership = Membership::new(key_blob(&key(2)), vec![7], START, START, vec![1]);
    let der = issue(&key(1), &membership).unwrap();
    let text: String = der.iter().map(|byte| char::from(*byte)).collect();
    let start = text.find("file://").unwrap();
    text[start..start + "file://".len() + 32 + ".peer.invalid:9/07".len()].to_owned()
}

fn error(edit: impl FnOnce(&mut Parts)) -> String {
    let mut parts = Parts::good();
    edit(&mut parts);
    match parse(&parts.der()) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn the_smallest_good_one_is_accepted() {
    let der = Parts::good().der();
    let parsed = parse(&der).unwrap();
    assert_eq!(parsed.membership.swarm_id, [7]);
    assert_eq!(
        (parsed.membership.not_before, parsed.membership.not_after),
        (START, START + 3600)
    );
    assert_eq!(
        (parsed.signature[31], parsed.signature[63], parsed.signature[0]),
        (1, 2, 0)
    );
    assert_eq!(&der[3..][..parsed.tbs.len()], parsed.tbs);
}

#[test]
fn other_versions_and_serial_numbers() {
    assert_eq!(
        error(|parts| parts.version[4] = 1),
        "version: not as membership certificates have it"
    );
    assert_eq!(
        error(|parts| parts.version.clear()),
        "version: of another type than it must be"
    );
    assert_eq!(
        error(|parts| parts.version = element(0xa0, &[&[2, 1, 2, 5, 0]])),
        "version: trailing bytes"
    );
    assert_eq!(
        error(|parts| parts.serial = vec![2, 1, 0]),
        "serialNumber: not in DER"
    );
    assert_eq!(
        error(|parts| parts.serial = element(2, &[&[1; 21]])),
        "serialNumber: not as membership certificates have it"
    );
}

#[test]
fn other_algorithms() {
    let sha384 = [6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
    let with_null = [ECDSA_WITH_SHA256, &[5, 0]].concat();
    for algorithm in [&sha384[..], &with_null] {
        let expected = "signatureAlgorithm: not as membership certificates have it";
        assert_eq!(error(|parts| parts.algorithm = sequence(&[algorithm])), expected);
        assert_eq!(
            error(|parts| parts.outer_algorithm = sequence(&[algorithm])),
            expected
        );
    }
}

#[test]
fn other_keys() {
    let blob = key_blob(&key(2));
    let mut p384 = P256.to_vec();
    p384[9] = 34;
    let key =
        |curve: &[u8], point: &[&[u8]]| sequence(&[&sequence(&[PUBLIC_KEY, curve]), &element(3, point)]);
    for bad in [
        key(&p384, &[&[0, 4], &blob[1..]]),
        key(P256, &[&[0, 2], &blob[1..33]]),
        key(P256, &[&[0, 4], &blob[1..], &[0]]),
        key(P256, &[&[0, 4], &blob[1..64]]),
        key(P256, &[&[1, 4], &blob[1..]]),
        sequence(&[]),
    ] {
        assert_eq!(
            error(|parts| parts.key = bad),
            "subjectPublicKeyInfo: not as membership certificates have it"
        );
    }
}

#[test]
fn other_names() {
    let uri = uri();
    let with = |critical: bool, parts: &[(u8, &str)]| {
        let name = extension(17, critical, &names(parts));
        error(|parts| parts.extensions = vec![name])
    };
    let ours = CertificateError::NameNotOurs.to_string();
    assert_eq!(with(true, &[(0x86, &uri)]), "accepted");
    assert_eq!(
        with(false, &[(0x86, &uri)]),
        CertificateError::NameNotCritical.to_string()
    );
    assert_eq!(with(true, &[(0x82, "peer.invalid")]), ours);
    assert_eq!(with(true, &[(0x86, "file://192.0.2.1:7/07")]), ours);
    assert_eq!(with(true, &[(0x86, &uri), (0x82, "peer.invalid")]), ours);
    assert_eq!(with(true, &[]), "subjectAltName: missing");
    assert_eq!(error(|parts| parts.extensions.clear()), "subjectAltName: missing");
    assert_eq!(
        error(|parts| parts.extensions = vec![extension(15, true, &[3, 2, 7, 0x80])]),
        "subjectAltName: missing"
    );
    let foreign = uri.replacen(&uri[7..11], "aaaa", 1);
    assert_eq!(
        with(true, &[(0x86, &foreign)]),
        CertificateError::PeerMismatch.to_string()
    );
}

#[test]
fn other_extensions() {
    let more = |extension: Vec<u8>| error(|parts| parts.extensions.push(extension));
    assert_eq!(more(extension(99, false, &[5, 0])), "accepted");
    assert_eq!(
        more(extension(99, true, &[5, 0])),
        CertificateError::UnknownCritical.to_string()
    );
    assert_eq!(more(extension(15, true, &[3, 2, 7, 0x80])), "accepted");
    assert_eq!(
        more(extension(15, true, &[3, 2, 2, 0x84])),
        "keyUsage: not as membership certificates have it"
    );
    assert_eq!(more(extension(19, true, &[0x30, 0])), "accepted");
    assert_eq!(
        more(extension(19, false, &[0x30, 3, 1, 1, 0xff])),
        "basicConstraints: not as membership certificates have it"
    );
    let again = Parts::good().extensions.remove(0);
    assert_eq!(
        more(again),
        "subjectAltName: not as membership certificates have it"
    );
    // FALSE is the default, which DER leaves out, and TRUE has one form.
    for flag in [0, 1] {
        let extension = sequence(&[&[6, 3, 0x55, 0x1d, 99, 1, 1, flag], &[4, 2, 5, 0]]);
        assert_eq!(
            more(extension),
            "extensions: not as membership certificates have it"
        );
    }
    assert_eq!(
        error(|parts| parts.unique = vec![0x81, 2, 0, 1]),
        "extensions: of another type than it must be"
    );
}

#[test]
fn other_signatures() {
    let with = |bits: &[u8]| error(|parts| parts.signature = element(3, &[bits]));
    assert_eq!(with(&[0, 0x30, 6, 2, 1, 1, 2, 1, 2]), "accepted");
    assert_eq!(
        with(&[1, 0x30, 6, 2, 1, 1, 2, 1, 2]),
        "signature: not as membership certificates have it"
    );
    assert_eq!(with(&[0, 0x30, 6, 2, 1, 0, 2, 1, 2]), "signature: not in DER");
    assert_eq!(with(&[0, 0x30, 3, 2, 1, 1]), "signature: missing");
    assert_eq!(
        with(&[0, 0x30, 9, 2, 1, 1, 2, 1, 2, 2, 1, 3]),
        "signature: trailing bytes"
    );
    let long = sequence(&[&element(2, &[&[1; 33]]), &[2, 1, 1]]);
    assert_eq!(
        with(&[&[0], &long[..]].concat()),
        "signature: not as membership certificates have it"
    );
}

#[test]
fn other_times() {
    let with = |from: &[u8], to: &[u8]| {
        let validity = sequence(&[&element(0x17, &[from]), &element(0x17, &[to])]);
        error(|parts| parts.validity = validity)
    };
    assert_eq!(
        with(b"2311142213Z", b"231114231320Z"),
        "validity: not as membership certificates have it"
    );
    assert_eq!(
        with(b"231114221320Z", b"231114231320"),
        "validity: not as membership certificates have it"
    );
}
