//! Certificates of membership: what is read lies within the input and within its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use shoal_certificate::{CertificateError, MAX_SWARM_ID, check, parse};

fuzz_target!(|der: &[u8]| {
    match parse(der) {
        Ok(parsed) => {
            let membership = &parsed.membership;
            assert!((1..=MAX_SWARM_ID).contains(&membership.swarm_id.len()));
            assert!((1..=20).contains(&membership.serial.len()));
            assert_eq!(membership.key_blob[0], 13);
            assert!(der.windows(parsed.tbs.len()).any(|part| part == parsed.tbs));
            let now = membership.not_before;
            match check(&parsed, &membership.swarm_id, now) {
                Ok(()) | Err(CertificateError::Lifetime) => {}
                Err(other) => panic!("{other}"),
            }
            assert!(check(&parsed, &[], now).is_err());
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
