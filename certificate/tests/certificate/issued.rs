//! What is issued is read as it was meant, and nothing else is.

use crate::common::{START, is_signed_by, key, key_blob, membership};
use proptest::prelude::*;
use shoal_certificate::{
    CertificateError, IssueError, MAX_LIFETIME, MAX_SWARM_ID, Membership, check, issue, parse,
};

#[test]
fn is_small_and_valid_for_its_time_and_swarm() {
    let swarm = [13; 65];
    let der = issue(&key(1), &membership(&swarm)).unwrap();
    assert!((450..=600).contains(&der.len()), "{} bytes", der.len());
    let parsed = parse(&der).unwrap();
    assert_eq!(parsed.membership, membership(&swarm));
    assert!(is_signed_by(&parsed, key(1).verifying_key()));
    assert!(!is_signed_by(&parsed, key(2).verifying_key()));
    for now in [START - 60, START, START + 3600] {
        assert_eq!(check(&parsed, &swarm, now), Ok(()));
    }
    assert_eq!(
        check(&parsed, &swarm, START - 61),
        Err(CertificateError::NotYetValid)
    );
    assert_eq!(
        check(&parsed, &swarm, START + 3601),
        Err(CertificateError::Expired)
    );
    assert_eq!(
        check(&parsed, &swarm[1..], START),
        Err(CertificateError::WrongSwarm)
    );
}

#[test]
fn nothing_is_issued_that_would_be_refused() {
    let tracker = key(1);
    let good = membership(&[7; 32]);
    let refused = |edit: fn(&mut Membership)| {
        let mut changed = good.clone();
        edit(&mut changed);
        issue(&tracker, &changed).unwrap_err()
    };
    assert!(matches!(
        refused(|membership| membership.peer_id[0] ^= 1),
        IssueError::PeerId
    ));
    assert!(matches!(
        refused(|membership| membership.key_blob[0] = 15),
        IssueError::Key
    ));
    assert!(matches!(
        refused(|membership| membership.key_blob[9] ^= 1),
        IssueError::Key
    ));
    assert!(matches!(
        refused(|membership| membership.swarm_id.clear()),
        IssueError::SwarmId
    ));
    assert!(matches!(
        refused(|membership| membership.swarm_id.resize(MAX_SWARM_ID + 1, 0)),
        IssueError::SwarmId
    ));
    assert!(matches!(
        refused(|membership| membership.not_after = membership.not_before + MAX_LIFETIME + 1),
        IssueError::Lifetime
    ));
    assert!(matches!(
        refused(|membership| membership.not_after = membership.not_before - 1),
        IssueError::Lifetime
    ));
    assert!(matches!(
        refused(|membership| membership.serial = vec![0x80; 20]),
        IssueError::Encoding(_)
    ));
    assert!(matches!(
        refused(|membership| membership.not_after = u64::MAX),
        IssueError::Lifetime
    ));
}

#[test]
fn a_day_is_the_longest() {
    let mut membership = membership(&[7; 32]);
    membership.not_after = membership.not_before + MAX_LIFETIME;
    let der = issue(&key(1), &membership).unwrap();
    assert_eq!(check(&parse(&der).unwrap(), &[7; 32], START), Ok(()));
    let mut parsed = parse(&der).unwrap();
    parsed.membership.not_after += 1;
    assert_eq!(check(&parsed, &[7; 32], START), Err(CertificateError::Lifetime));
}

/// Every bit of a certificate means something: changed, it is not accepted.
#[test]
fn no_bit_can_be_changed() {
    let tracker = key(1);
    let der = issue(&tracker, &membership(&[7; 32])).unwrap();
    for bit in 0..der.len() * 8 {
        let mut changed = der.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let accepted = parse(&changed).is_ok_and(|parsed| {
            check(&parsed, &[7; 32], START).is_ok() && is_signed_by(&parsed, tracker.verifying_key())
        });
        assert!(!accepted, "bit {bit}");
    }
}

#[test]
fn no_byte_can_be_added_or_left_out() {
    let der = issue(&key(1), &membership(&[7; 32])).unwrap();
    for length in 0..der.len() {
        assert!(parse(&der[..length]).is_err(), "{length} bytes");
    }
    let longer = [&der[..], &[0]].concat();
    assert_eq!(
        parse(&longer).unwrap_err().to_string(),
        "certificate: trailing bytes"
    );
    let long = [&der[..], &[0; 4096]].concat();
    assert!(matches!(parse(&long), Err(CertificateError::TooLong)));
}

fn memberships() -> impl Strategy<Value = Membership> {
    let serial = proptest::collection::vec(any::<u8>(), 1..=20).prop_map(|mut serial| {
        serial[0] = serial[0].clamp(1, 0x7f);
        serial
    });
    (
        1..=254_u8,
        proptest::collection::vec(any::<u8>(), 1..=MAX_SWARM_ID),
        // To the year 9998, past the change to GeneralizedTime.
        0..253_000_000_000_u64,
        0..=MAX_LIFETIME,
        serial,
    )
        .prop_map(|(seed, swarm_id, not_before, lifetime, serial)| {
            Membership::new(
                key_blob(&key(seed)),
                swarm_id,
                not_before,
                not_before + lifetime,
                serial,
            )
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn issued_certificates_are_read_back(membership in memberships(), seed in 1..=254_u8) {
        let tracker = key(seed);
        let der = issue(&tracker, &membership).unwrap();
        let parsed = parse(&der).unwrap();
        prop_assert_eq!(&parsed.membership, &membership);
        prop_assert_eq!(check(&parsed, &membership.swarm_id, membership.not_after), Ok(()));
        prop_assert!(is_signed_by(&parsed, tracker.verifying_key()));
    }

    #[test]
    fn changed_bytes_are_noticed(
        membership in memberships(),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
    ) {
        let tracker = key(1);
        let der = issue(&tracker, &membership).unwrap();
        let mut changed = der.clone();
        for (at, byte) in changes {
            changed[at.index(der.len())] = byte;
        }
        prop_assume!(changed != der);
        if let Ok(parsed) = parse(&changed) {
            prop_assert!(!is_signed_by(&parsed, tracker.verifying_key()));
        }
    }

    #[test]
    fn anything_is_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(parse(&bytes).is_err());
    }
}
