//! Who is banned and in already is sent away.

use std::net::IpAddr;
use std::sync::PoisonError;

use crate::server::Shared;

/// Peers that are looked at while the registry is locked once.
const SLICE: usize = 512;
const WHY: &str = "banned";

impl Shared {
    /// Sends a peer of either dialect away, by the hexadecimal digits of its ID.
    pub(crate) fn send_peer_away(&self, id: &str) {
        let torrents = self.torrents.lock().unwrap_or_else(PoisonError::into_inner);
        let session = torrents.session_of(id);
        drop(torrents);
        if let Some(session) = session {
            self.sessions.close(session, WHY);
        }
        let mut out = Vec::new();
        self.registry().evict(id, &mut out);
        self.sessions.deliver(out);
    }

    /// Sends away who comes from such an address.
    pub(crate) async fn send_hosts_away(&self, is_meant: impl Fn(IpAddr) -> bool) {
        let mut after = Some(String::new());
        while let Some(id) = after {
            after = self.send_some_away(&is_meant, &id);
            tokio::task::yield_now().await;
        }
        self.sessions.close_from(is_meant, WHY);
    }

    /// Of a few registered peers after this one, those with such addresses. Returns where to go on.
    fn send_some_away(&self, is_meant: impl Fn(IpAddr) -> bool, after: &str) -> Option<String> {
        let (mut banned, mut out) = (Vec::new(), Vec::new());
        let mut registry = self.registry();
        let last = registry.peers_after(after, SLICE, |peer| {
            if is_meant(peer.address()) {
                banned.push(peer.id.to_owned());
            }
            true
        });
        banned.iter().for_each(|id| registry.evict(id, &mut out));
        drop(registry);
        self.sessions.deliver(out);
        last.map(|last| last.to_string())
    }
}
