//! Certificates of membership: each is signed once, and given out again until half of its life is over.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use certificate::{MAX_LIFETIME, Membership, issue};
use tracker_protocol::{
    Action, IssuedCertificate, KEY_BLOB_LEN, MAX_CERTIFICATES, Request, RequestBody, WANT_CERT,
    encode_base64url,
};

use crate::key::TrackerKey;

/// A certificate is valid from this long before it is made, seconds: peers' clocks may be slow.
const SKEW: u64 = 60;
/// Bytes of a serial number.
pub(crate) const SERIAL_LEN: usize = 16;

/// Signs certificates and remembers them.
#[derive(Debug)]
pub(crate) struct Certificates {
    key: TrackerKey,
    lifetime: u64,
    cache: Mutex<Cache>,
}

/// Where a certificate comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Signed,
    Cache,
}

impl Certificates {
    /// Certificates that are valid for `lifetime` seconds, of which `capacity` are remembered.
    pub(crate) fn new(key: TrackerKey, lifetime: u64, capacity: usize) -> Self {
        Self {
            key,
            lifetime: lifetime.clamp(2, MAX_LIFETIME - SKEW),
            cache: Mutex::new(Cache {
                capacity: capacity.max(1),
                ..Cache::default()
            }),
        }
    }

    pub(crate) fn key(&self) -> &TrackerKey {
        &self.key
    }

    /// The certificate of a peer in a swarm (hex) at `now`, Unix seconds, which ends at `until` or before; `serial` draws its
    /// number. `None` when none can be made, which is not the peer's fault.
    pub(crate) fn get(
        &self,
        key_blob: &[u8; KEY_BLOB_LEN],
        swarm: &str,
        now: u64,
        until: u64,
        serial: impl FnOnce() -> [u8; SERIAL_LEN],
    ) -> Option<(IssuedCertificate, Source)> {
        let name = (*key_blob, swarm.to_owned());
        if let Some(known) = self.cache().get(&name, now + self.lifetime / 2, until) {
            return Some((known, Source::Cache));
        }
        let mut serial = serial();
        // Positive, and of the same length always.
        serial[0] = serial[0] & 0x7f | 0x40;
        let expires = until.min(now + self.lifetime);
        let membership = Membership::new(
            *key_blob,
            bytes_of(swarm),
            now.saturating_sub(SKEW),
            expires,
            serial.to_vec(),
        );
        // Not under the lock: this takes longer than all the rest of a request.
        let der = match issue(&self.key.signing, &membership) {
            Ok(der) => der,
            Err(error) => {
                tracing::warn!(%error, "cannot make a certificate");
                return None;
            }
        };
        let issued = IssuedCertificate {
            swarm_id: swarm.to_owned(),
            cert: encode_base64url(&der),
            expires,
        };
        self.cache().insert(name, issued.clone(), now);
        Some((issued, Source::Signed))
    }

    fn cache(&self) -> std::sync::MutexGuard<'_, Cache> {
        self.cache.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The bytes of lower-case hex: a swarm ID whose form has been checked.
fn bytes_of(hex: &str) -> Vec<u8> {
    let digit = |digit: u8| {
        if digit > b'9' {
            digit - b'a' + 10
        } else {
            digit - b'0'
        }
    };
    hex.as_bytes()
        .chunks_exact(2)
        .map(|pair| digit(pair[0]) << 4 | digit(pair[1]))
        .collect()
}

/// A peer's key and its swarm.
type Name = ([u8; KEY_BLOB_LEN], String);

/// What has been issued: the oldest make room for the newest.
#[derive(Debug, Default)]
struct Cache {
    capacity: usize,
    issued: HashMap<Name, IssuedCertificate>,
    order: VecDeque<Name>,
}

impl Cache {
    /// One that lasts for longer than `least`, or as long as it may.
    fn get(&self, name: &Name, least: u64, until: u64) -> Option<IssuedCertificate> {
        let known = self.issued.get(name)?;
        let lasts = known.expires > least.min(until.saturating_sub(1));
        (lasts && known.expires <= until).then(|| known.clone())
    }

    fn insert(&mut self, name: Name, issued: IssuedCertificate, now: u64) {
        if self.issued.insert(name.clone(), issued).is_none() {
            self.order.push_back(name);
        }
        while let Some(oldest) = self.order.front() {
            let expired = self.issued.get(oldest).is_none_or(|issued| issued.expires <= now);
            if !expired && self.order.len() <= self.capacity {
                break;
            }
            if let Some(oldest) = self.order.pop_front() {
                self.issued.remove(&oldest);
            }
        }
    }
}

/// Swarms whose certificates a request asks for, no more than one answer has.
pub(crate) fn wanted_certificates(request: &Request) -> impl Iterator<Item = &str> {
    let (joins, one) = match &request.body {
        RequestBody::Connect(connect) if request.ext.want.iter().any(|want| want == WANT_CERT) => {
            (&connect.swarm_action[..], None)
        }
        RequestBody::Cert(swarm) => (&[][..], Some(swarm.as_str())),
        _ => (&[][..], None),
    };
    joins
        .iter()
        .filter(|action| action.action == Action::Join)
        .map(|action| action.swarm_id.as_str())
        .take(MAX_CERTIFICATES)
        .chain(one)
}

#[cfg(test)]
mod tests {
    use certificate::{check, parse};
    use rand::SeedableRng;
    use rand::rngs::StdRng;
    use tracker_protocol::decode_base64url;

    use super::*;

    const NOW: u64 = 1_700_000_000;
    const SWARM: &str = "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";

    fn blob(seed: u64) -> [u8; KEY_BLOB_LEN] {
        TrackerKey::generate(&mut StdRng::seed_from_u64(seed)).key_blob()
    }

    fn certificates(capacity: usize) -> Certificates {
        Certificates::new(
            TrackerKey::generate(&mut StdRng::seed_from_u64(0)),
            3600,
            capacity,
        )
    }

    fn source(certificates: &Certificates, peer: u64, swarm: &str, now: u64) -> Source {
        let certified = certificates.get(&blob(peer), swarm, now, u64::MAX, || [0; SERIAL_LEN]);
        certified.unwrap().1
    }

    #[test]
    fn is_one_of_the_peer_in_the_swarm() {
        let certificates = certificates(9);
        let (issued, _) = certificates
            .get(&blob(1), SWARM, NOW, u64::MAX, || [0xff; SERIAL_LEN])
            .unwrap();
        assert_eq!((issued.swarm_id.as_str(), issued.expires), (SWARM, NOW + 3600));
        let der = decode_base64url(&issued.cert).unwrap();
        let parsed = parse(&der).unwrap();
        assert_eq!(parsed.membership.key_blob, blob(1));
        assert_eq!(parsed.membership.not_before, NOW - 60);
        assert_eq!(parsed.membership.not_after, issued.expires);
        assert_eq!(check(&parsed, &bytes_of(SWARM), NOW), Ok(()));
        assert_eq!(bytes_of(SWARM)[..2], [0x67, 0xbb]);
    }

    #[test]
    fn is_signed_once_in_half_a_life() {
        let certificates = certificates(9);
        for (peer, now, expected) in [
            (1, 0, Source::Signed),
            (1, 1799, Source::Cache),
            (2, 1799, Source::Signed),
            (1, 1800, Source::Signed),
            (1, 3599, Source::Cache),
            (1, 3600, Source::Signed),
        ] {
            assert_eq!(source(&certificates, peer, SWARM, NOW + now), expected, "{now}");
        }
        assert_eq!(
            source(&certificates, 1, &SWARM.replace('6', "7"), NOW),
            Source::Signed
        );
    }

    #[test]
    fn none_lasts_longer_than_what_it_is_given_for() {
        let certificates = certificates(9);
        let get = |now, until| {
            let certified = certificates.get(&blob(1), SWARM, now, until, || [0; SERIAL_LEN]);
            let (issued, source) = certified.unwrap();
            (issued.expires, source)
        };
        for (now, until, expected) in [
            (NOW, u64::MAX, (NOW + 3600, Source::Signed)),
            (NOW, NOW + 5000, (NOW + 3600, Source::Cache)),
            (NOW, NOW + 900, (NOW + 900, Source::Signed)),
            // Nothing better is to be had.
            (NOW + 800, NOW + 900, (NOW + 900, Source::Cache)),
            (NOW + 800, NOW + 4000, (NOW + 4000, Source::Signed)),
        ] {
            assert_eq!(get(now, until), expected, "{now} {until}");
        }
    }

    #[test]
    fn memory_is_bounded() {
        let certificates = certificates(3);
        for peer in 1..=5 {
            assert_eq!(source(&certificates, peer, SWARM, NOW), Source::Signed);
        }
        let sizes = || {
            let cache = certificates.cache();
            (cache.issued.len(), cache.order.len())
        };
        assert_eq!(sizes(), (3, 3));
        for (peer, expected) in [(5, Source::Cache), (3, Source::Cache), (1, Source::Signed)] {
            assert_eq!(source(&certificates, peer, SWARM, NOW), expected, "{peer}");
        }
        // What has expired goes with the next one.
        source(&certificates, 9, SWARM, NOW + 3600);
        assert_eq!(sizes(), (1, 1));
    }
}
