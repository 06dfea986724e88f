//! Another implementation reads what we issue as we mean it.

use std::process::{Command, Output};

use crate::common::{key, membership};
use p256::pkcs8::EncodePublicKey;
use shoal_certificate::{issue, parse};

/// Runs openssl; `None` where it is not installed.
fn openssl(arguments: &[&str]) -> Option<Output> {
    match Command::new("openssl").args(arguments).output() {
        Ok(output) => Some(output),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            println!("SKIPPED: openssl is not installed");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn openssl_reads_it_as_we_mean_it() {
    let der = issue(&key(1), &membership(&[0xab; 32])).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("certificate.der");
    std::fs::write(&file, &der).unwrap();
    let file = file.to_str().unwrap();
    let Some(output) = openssl(&["x509", "-inform", "DER", "-text", "-noout", "-in", file]) else {
        return;
    };
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let swarm = "ab".repeat(32);
    for expected in [
        "Version: 3 (0x2)",
        "Serial Number:\n            7f:7f:7f:7f:7f:7f:7f:7f:7f:7f:7f:7f:7f:7f:7f:7f",
        "Signature Algorithm: ecdsa-with-SHA256",
        "Issuer: CN = Shoal tracker",
        "Not Before: Nov 14 22:12:20 2023 GMT",
        "Not After : Nov 14 23:13:20 2023 GMT",
        "Subject: \n",
        "Public-Key: (256 bit)",
        "ASN1 OID: prime256v1",
        "X509v3 Basic Constraints: critical\n                CA:FALSE",
        "X509v3 Key Usage: critical\n                Digital Signature\n",
        "X509v3 Subject Alternative Name: critical\n                URI:file://",
        &format!(".peer.invalid:9/{swarm}\n"),
    ] {
        assert!(text.contains(expected), "{expected}:\n{text}");
    }
}

#[test]
fn openssl_verifies_the_signature() {
    let der = issue(&key(1), &membership(&[0xab; 32])).unwrap();
    let parsed = parse(&der).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (tbs, signature, tracker) = (path("tbs"), path("signature"), path("tracker.der"));
    std::fs::write(&tbs, parsed.tbs).unwrap();
    // The signature is what the BIT STRING holds, at the end.
    let start = der
        .windows(2)
        .rposition(|pair| pair[0] == 0 && pair[1] == 0x30)
        .unwrap();
    std::fs::write(&signature, &der[start + 1..]).unwrap();
    std::fs::write(
        &tracker,
        key(1).verifying_key().to_public_key_der().unwrap().as_bytes(),
    )
    .unwrap();
    let arguments = [
        "dgst",
        "-sha256",
        "-keyform",
        "DER",
        "-verify",
        &tracker,
        "-signature",
        &signature,
        &tbs,
    ];
    let Some(output) = openssl(&arguments) else { return };
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "Verified OK",
        "{output:?}"
    );
}
