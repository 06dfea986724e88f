//! Signed envelopes in and out (tracker-protocol §11).
//!
//! Signing and checking are asynchronous in a browser, and the order of signals matters (a candidate follows
//! its offer): both ways go through one bounded queue, one envelope at a time.

use std::rc::Rc;

use ppspp::{PeerId, SwarmId};
use tracker_protocol::{
    Kind, MAX_SDP, Profile, Signal, decode_base64url, dtls_fingerprints, encode_base64url, sdp_lines, to_hex,
};

use super::Inner;
use super::link::{AUX_CHANNEL, MAX_DATAGRAM};
use super::links::Offered;

/// Envelopes waiting to be signed. Beyond it new ones are dropped: an attempt that is lost is made again.
const MAX_OUTBOX: usize = 256;
/// Envelopes waiting to be checked, from everybody and from one sender.
const MAX_INBOX: usize = 128;
const MAX_INBOX_OF_ONE: usize = 32;
/// Candidate lines that a remote description may hold.
const MAX_DESCRIBED_CANDIDATES: usize = 32;
/// Bytes of one candidate line.
const MAX_CANDIDATE: usize = 1024;
/// What we speak, as `prof.proto`.
const PROTOCOL: &str = "ppspp/1";

/// A signal to be signed and sent.
pub(super) struct Outgoing {
    pub(super) kind: Kind,
    pub(super) swarm: SwarmId,
    pub(super) to: PeerId,
    /// The neighbour that relays it; else the tracker does.
    pub(super) via: Option<PeerId>,
    pub(super) offer_id: String,
    pub(super) counter: u64,
    /// Session description, candidate or reason, as `kind` wants.
    pub(super) payload: Option<String>,
}

/// A signal whose sender may yet turn out to be an impostor.
pub(super) struct Incoming {
    from: PeerId,
    /// The neighbour that relayed it; else the tracker did.
    via: Option<PeerId>,
    signal: Signal,
}

impl Inner {
    /// Queues a signal for signing and sending.
    pub(super) fn signal(&self, outgoing: Outgoing) {
        {
            let mut outbox = self.outbox.borrow_mut();
            if outbox.len() >= MAX_OUTBOX {
                return;
            }
            outbox.push(outgoing);
        }
        if !self.signing.replace(true)
            && let Some(inner) = self.this.upgrade()
        {
            crate::js::spawn(inner.sign_all());
        }
    }

    async fn sign_all(self: Rc<Self>) {
        loop {
            // A statement of its own: the borrow ends before anything else happens.
            let next = self.outbox.borrow_mut().pop();
            let Some(outgoing) = next else { break };
            // An attempt that has ended meanwhile (by glare, say) must not reach the remote any more.
            let of_attempt = outgoing.kind != Kind::Bye;
            let (to, via) = (outgoing.to, outgoing.via);
            let mut signal = self.envelope(outgoing);
            let Ok(input) = signal.signing_input() else {
                continue;
            };
            let Ok(signature) = self.identity.sign(&input).await else {
                continue;
            };
            if of_attempt && self.find_attempt(&to, &signal.oid).is_none() {
                continue;
            }
            signal.key = Some(encode_base64url(self.identity.key_blob()));
            signal.sig = Some(encode_base64url(&signature));
            let Some(via) = via else {
                self.send_signal(signal);
                continue;
            };
            let offer_id = signal.oid.clone();
            if !self.relay(&via, signal)
                && of_attempt
                && let Some(link) = self.find_attempt(&to, &offer_id)
            {
                self.close_link(&link, "signal-failed", None);
            }
        }
        self.signing.set(false);
        self.deliver();
    }

    fn envelope(&self, outgoing: Outgoing) -> Signal {
        let mut signal = Signal::new(
            outgoing.kind,
            &to_hex(outgoing.swarm.as_ref()),
            &to_hex(&self.identity.peer_id().0),
            &to_hex(&outgoing.to.0),
            &outgoing.offer_id,
            outgoing.counter,
            self.tracker.time_ms(&self.clock),
        );
        match outgoing.kind {
            Kind::Offer | Kind::Answer => {
                signal.sdp = outgoing.payload;
                signal.prof = Some(Profile {
                    proto: PROTOCOL.to_owned(),
                    ch: vec![0, 1, AUX_CHANNEL],
                    mms: MAX_DATAGRAM as u64,
                });
            }
            Kind::Candidate => signal.cand = outgoing.payload,
            Kind::End | Kind::Bye => signal.reason = outgoing.payload,
        }
        signal
    }

    /// Takes a signal from the tracker, or one that the neighbour `via` relayed. Whatever can be refused cheaply is refused before its signature is
    /// checked.
    pub(super) fn signal_arrived(&self, signal: Signal, via: Option<PeerId>) {
        let me = self.identity.peer_id();
        let from = match (PeerId::from_hex(&signal.from), PeerId::from_hex(&signal.to)) {
            (Some(from), Some(to)) if to == me && from != me => from,
            _ => return,
        };
        let fresh = self.replay.borrow().may_be_fresh(
            &from,
            &signal.oid,
            signal.n,
            signal.ts,
            self.tracker.time_ms(&self.clock),
        );
        if !fresh || self.neighbourhood.borrow().is_banned(&from) {
            return;
        }
        let known_attempt = || self.find_attempt(&from, &signal.oid).is_some();
        let expected = match signal.kind {
            Kind::Offer => {
                remote_description_problem(&signal).is_none()
                    && self
                        .neighbourhood
                        .borrow_mut()
                        .knock(self.clock.timestamp(), from)
            }
            Kind::Answer => remote_description_problem(&signal).is_none() && known_attempt(),
            // The offer it belongs to may still be waiting in the inbox.
            Kind::Candidate => signal
                .cand
                .as_ref()
                .is_some_and(|candidate| candidate.len() <= MAX_CANDIDATE),
            Kind::End | Kind::Bye => true,
        };
        if !expected {
            return;
        }
        {
            let mut inbox = self.inbox.borrow_mut();
            let of_one = inbox.iter().filter(|waiting| waiting.from == from).count();
            if inbox.len() >= MAX_INBOX || of_one >= MAX_INBOX_OF_ONE {
                return;
            }
            inbox.push(Incoming { from, via, signal });
        }
        if !self.checking.replace(true)
            && let Some(inner) = self.this.upgrade()
        {
            crate::js::spawn(inner.check_all());
        }
    }

    async fn check_all(self: Rc<Self>) {
        loop {
            let next = self.inbox.borrow_mut().pop();
            let Some(Incoming { from, via, signal }) = next else {
                break;
            };
            // Nothing that belongs to no attempt is worth a signature check; an offer makes one.
            if signal.kind != Kind::Offer && self.find_attempt(&from, &signal.oid).is_none() {
                continue;
            }
            if self.is_genuine(&from, &signal).await && !self.destroyed.get() {
                let fresh = self.replay.borrow_mut().admit(
                    from,
                    &signal.oid,
                    signal.n,
                    signal.ts,
                    self.tracker.time_ms(&self.clock),
                );
                if fresh {
                    self.act(from, via, signal);
                    self.deliver();
                }
            }
        }
        self.checking.set(false);
        self.deliver();
    }

    async fn is_genuine(&self, from: &PeerId, signal: &Signal) -> bool {
        let decode = |text: &Option<String>| text.as_deref().and_then(decode_base64url);
        match (decode(&signal.key), decode(&signal.sig), signal.signing_input()) {
            (Some(key), Some(signature), Ok(input)) => {
                self.identity.verify(from, &key, &signature, &input).await
            }
            _ => false,
        }
    }

    fn act(&self, from: PeerId, via: Option<PeerId>, signal: Signal) {
        let profile = signal.prof.as_ref();
        let aux = profile.is_some_and(|profile| profile.ch.contains(&AUX_CHANNEL));
        if signal.kind == Kind::Offer {
            if let (Some(swarm), Some(sdp)) = (SwarmId::from_hex(&signal.swarm), signal.sdp) {
                self.offered(Offered {
                    from,
                    via,
                    swarm,
                    offer_id: signal.oid,
                    sdp,
                    aux,
                });
            }
            return;
        }
        let Some(link) = self.find_attempt(&from, &signal.oid) else {
            return;
        };
        match signal.kind {
            Kind::Answer => self.answered(link, signal.sdp.unwrap_or_default(), aux),
            Kind::Candidate => link.add_remote_candidate(&signal.cand.unwrap_or_default()),
            // An empty candidate is the end of candidates.
            Kind::End => link.add_remote_candidate(""),
            Kind::Bye => self.close_link(&link, "bye", None),
            Kind::Offer => {}
        }
    }
}

/// Why a remote offer or answer is not taken: its profile, more than one DTLS fingerprint (the signature is
/// to bind one certificate), anything beside data channels, or too much of it.
fn remote_description_problem(signal: &Signal) -> Option<&'static str> {
    let Some(sdp) = signal.sdp.as_deref().filter(|sdp| sdp.len() <= MAX_SDP) else {
        return Some("sdp");
    };
    let Some(profile) = &signal.prof else {
        return Some("prof");
    };
    if profile.proto != PROTOCOL || ![0, 1].iter().all(|channel| profile.ch.contains(channel)) {
        return Some("prof");
    }
    match dtls_fingerprints(sdp).as_deref() {
        Ok([only]) if only.starts_with("sha-256 ") => {}
        _ => return Some("fingerprint"),
    }
    let mut sections = sdp_lines(sdp).filter(|line| line.starts_with(b"m="));
    if !sections
        .next()
        .is_some_and(|section| section.starts_with(b"m=application "))
        || sections.next().is_some()
    {
        return Some("section");
    }
    let candidates = sdp_lines(sdp)
        .filter(|line| line.starts_with(b"a=candidate:"))
        .count();
    (candidates > MAX_DESCRIBED_CANDIDATES).then_some("candidates")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SDP: &str = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n\
                       a=fingerprint:sha-256 AB:CD\r\na=candidate:1 1 udp 1 x.local 5 typ host\r\n";

    fn problem(sdp: &str) -> Option<&'static str> {
        let mut signal = Signal::new(Kind::Offer, "", "", "", "", 0, 0);
        signal.prof = Some(Profile {
            proto: PROTOCOL.to_owned(),
            ch: vec![0, 1, 3],
            mms: 0,
        });
        signal.sdp = Some(sdp.to_owned());
        remote_description_problem(&signal)
    }

    #[test]
    fn only_data_channels_with_one_certificate_are_taken() {
        assert_eq!(problem(SDP), None);
        assert_eq!(problem(&[SDP, "a=fingerprint:sha-256 ab:cd\r\n"].concat()), None);
        assert_eq!(
            problem(&[SDP, "a=fingerprint:sha-256 AB:CE\r\n"].concat()),
            Some("fingerprint")
        );
        assert_eq!(
            problem(&[SDP, "a=fingerprint:sha-512 AB:CD\n"].concat()),
            Some("fingerprint")
        );
        assert_eq!(problem(&SDP.replace("sha-256", "sha-1")), Some("fingerprint"));
        assert_eq!(
            problem(&SDP.replace("a=fingerprint", "a=finger")),
            Some("fingerprint")
        );
        assert_eq!(problem(&SDP.replace("m=application", "m=audio")), Some("section"));
        assert_eq!(
            problem(&[SDP, "m=application 9 UDP/DTLS/SCTP x\r\n"].concat()),
            Some("section")
        );
        assert_eq!(
            problem(&[SDP, &"a=candidate:1\n".repeat(32)].concat()),
            Some("candidates")
        );
        assert_eq!(problem(&[SDP, &"a=x\n".repeat(MAX_SDP)].concat()), Some("sdp"));
    }

    #[test]
    fn another_profile_is_refused() {
        let mut signal = Signal::new(Kind::Answer, "", "", "", "", 0, 0);
        signal.sdp = Some(SDP.to_owned());
        assert_eq!(remote_description_problem(&signal), Some("prof"));
        for (proto, channels) in [("ppspp/2", vec![0, 1]), (PROTOCOL, vec![0])] {
            signal.prof = Some(Profile {
                proto: proto.to_owned(),
                ch: channels,
                mms: 0,
            });
            assert_eq!(remote_description_problem(&signal), Some("prof"));
        }
    }
}
