//! Tickets that any node of a cluster takes, whichever gave them: their keys are made of a secret that all nodes learn from the
//! engine, and of the tracker's key, which is in none. Who reads the engine can open no ticket.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, KeyType, Salt};
use ring::rand::{SecureRandom, SystemRandom};
use tokio_rustls::rustls::server::ProducesTickets;
use tracker_protocol::server::Timestamp;

use crate::clock::micros;

/// Bytes of a secret.
pub(crate) const SECRET_LEN: usize = 32;
/// A secret seals for so long, and opens for as long again.
pub(crate) const LIFETIME: Duration = Duration::from_secs(6 * 3600);
/// Bytes that say with which key a ticket is sealed.
const NAME_LEN: usize = 16;
const KEY_LEN: usize = 32;
const PURPOSE: &[u8] = b"shoal tracker tickets 1";

/// A secret, random.
pub(crate) fn new_secret() -> Option<[u8; SECRET_LEN]> {
    let mut secret = [0; SECRET_LEN];
    SystemRandom::new().fill(&mut secret).ok()?;
    Some(secret)
}

/// Seals with the newest key and opens with that and the one before.
pub(crate) struct SharedTickets {
    /// The tracker's key, which no engine has.
    key: [u8; 32],
    keys: Mutex<Keys>,
}

struct Keys {
    /// What the newest is made of, and since when.
    secret: [u8; SECRET_LEN],
    since: Timestamp,
    newest: Key,
    before: Option<Key>,
}

struct Key {
    name: [u8; NAME_LEN],
    sealing: LessSafeKey,
}

struct Length;

impl KeyType for Length {
    fn len(&self) -> usize {
        NAME_LEN + KEY_LEN
    }
}

impl Key {
    fn new(key: &[u8], secret: &[u8; SECRET_LEN]) -> Option<Self> {
        let mut bytes = [0; NAME_LEN + KEY_LEN];
        let derived = Salt::new(HKDF_SHA256, secret).extract(key);
        derived.expand(&[PURPOSE], Length).ok()?.fill(&mut bytes).ok()?;
        let (name, sealing) = bytes.split_first_chunk()?;
        Some(Self {
            name: *name,
            sealing: LessSafeKey::new(UnboundKey::new(&AES_256_GCM, sealing).ok()?),
        })
    }
}

impl SharedTickets {
    /// With a secret of its own at first. `None`: the system gives no random numbers.
    pub(crate) fn new(key: [u8; 32]) -> Option<Self> {
        let secret = new_secret()?;
        let keys = Keys {
            secret,
            since: 0,
            newest: Key::new(&key, &secret)?,
            before: None,
        };
        let keys = Mutex::new(keys);
        Some(Self { key, keys })
    }

    fn keys(&self) -> MutexGuard<'_, Keys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on tickets are sealed with what is made of this.
    pub(crate) fn learn(&self, now: Timestamp, secret: &[u8; SECRET_LEN]) {
        let mut keys = self.keys();
        if keys.secret != *secret
            && let Some(key) = Key::new(&self.key, secret)
        {
            keys.before = Some(std::mem::replace(&mut keys.newest, key));
            (keys.secret, keys.since) = (*secret, now);
        }
    }

    /// Where nobody has given it a new secret for long, it takes one of its own.
    pub(crate) fn renew(&self, now: Timestamp) {
        let is_old = now.saturating_sub(self.keys().since) > 2 * micros(LIFETIME);
        if let Some(secret) = is_old.then(new_secret).flatten() {
            self.learn(now, &secret);
        }
    }
}

impl fmt::Debug for SharedTickets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("SharedTickets").finish_non_exhaustive()
    }
}

impl ProducesTickets for SharedTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME.as_secs() as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let keys = self.keys();
        let mut sealed = plain.to_vec();
        keys.newest
            .sealing
            .seal_in_place_append_tag(
                Nonce::assume_unique_for_key(nonce),
                Aad::from(keys.newest.name),
                &mut sealed,
            )
            .ok()?;
        Some([&keys.newest.name[..], &nonce, &sealed].concat())
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_first_chunk::<NAME_LEN>()?;
        let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>()?;
        let keys = self.keys();
        // Names are no secret.
        let key = [Some(&keys.newest), keys.before.as_ref()];
        let key = key.into_iter().flatten().find(|key| key.name == *name)?;
        let (nonce, mut sealed) = (Nonce::assume_unique_for_key(*nonce), sealed.to_vec());
        let plain = key
            .sealing
            .open_in_place(nonce, Aad::from(*name), &mut sealed)
            .ok()?;
        Some(plain.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: [[u8; SECRET_LEN]; 3] = [[1; SECRET_LEN], [2; SECRET_LEN], [3; SECRET_LEN]];

    fn tickets(key: u8) -> SharedTickets {
        SharedTickets::new([key; 32]).unwrap()
    }

    #[test]
    fn any_node_opens_what_another_has_sealed() {
        let (one, other) = (tickets(7), tickets(7));
        assert_eq!(other.decrypt(&one.encrypt(b"session").unwrap()), None);
        one.learn(0, &SECRETS[0]);
        other.learn(0, &SECRETS[0]);
        let ticket = one.encrypt(b"session").unwrap();
        assert_eq!(other.decrypt(&ticket).as_deref(), Some(&b"session"[..]));
        assert_ne!(one.encrypt(b"session"), Some(ticket.clone()));
        // After one more secret it opens still, after two no more. The same again is no other.
        for (secret, opens) in [(1, true), (1, true), (2, false)] {
            other.learn(0, &SECRETS[secret]);
            assert_eq!(other.decrypt(&ticket).is_some(), opens);
        }
        // What the engine has does not do.
        let thief = tickets(8);
        thief.learn(0, &SECRETS[0]);
        assert_eq!(thief.decrypt(&ticket), None);
    }

    #[test]
    fn what_is_no_ticket_is_not_opened() {
        let tickets = tickets(7);
        let good = tickets.encrypt(b"session").unwrap();
        for at in 0..good.len() {
            let mut broken = good.clone();
            broken[at] ^= 1;
            assert_eq!(tickets.decrypt(&broken), None);
            assert_eq!(tickets.decrypt(&good[..at]), None);
        }
    }

    #[test]
    fn an_island_does_not_keep_a_key_for_ever() {
        let tickets = tickets(7);
        let ticket = tickets.encrypt(b"session").unwrap();
        let long = 2 * micros(LIFETIME) + 1;
        for (now, opens) in [
            (long - 1, true),
            (long, true),
            (long + 1, true),
            (3 * long, false),
        ] {
            tickets.renew(now);
            assert_eq!(tickets.decrypt(&ticket).is_some(), opens, "{now}");
        }
    }
}
