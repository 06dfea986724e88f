//! Peers that neighbours name (PEX, RFC 7574 §3.10, §8.13), with membership certificates.
//!
//! Every peer hands its own certificate to its neighbours, and hands on those of neighbours it has heard from lately
//! when it is asked. A certificate is opaque here: the driver checks it.

use bytes::Bytes;
use core::time::Duration;

use super::{Event, Member, Output, Swarm};
use crate::checks::CertificateCheck;
use crate::message::{MAX_CERTIFICATE, Message};
use crate::{CheckId, LinkId, Timestamp, random};

/// A neighbour is asked, and answered, no more often than this.
const ASK_PAUSE: Duration = Duration::from_secs(30);
/// Certificates in one answer.
const ANSWER: usize = 8;
/// Certificates of one neighbour that are checked at a time: when one of these is no good, the rest is not looked at.
const CHECKED_AT_A_TIME: usize = 2;
/// Only peers heard from within this are handed on (RFC 7574 §3.10).
const FRESH: Duration = Duration::from_secs(60);

impl Swarm {
    /// Own membership certificate, new or renewed: every neighbour gets it.
    pub(super) fn certified(&mut self, certificate: Bytes, expires: Timestamp) {
        if certificate.len() > MAX_CERTIFICATE {
            return;
        }
        self.certificate = Some((certificate, expires));
        let links: Vec<LinkId> = self.channels.keys().collect();
        for link in links {
            self.send_certificate(link);
        }
    }

    pub(super) fn send_certificate(&mut self, link: LinkId) {
        if let (Some((certificate, _)), Some(channel)) = (&self.certificate, self.channels.get_mut(link))
            && channel.is_open()
        {
            channel.queue(&Message::PexResCert(certificate.clone()));
        }
    }

    /// Asks the neighbours for peers.
    pub(super) fn find_peers(&mut self, now: Timestamp) {
        for channel in self.channels.values_mut() {
            let exchange = &mut channel.exchange;
            let rested = exchange.asked.is_none_or(|asked| now.since(asked) >= ASK_PAUSE);
            if channel.state == crate::channel::State::Open && rested && !exchange.distrusted {
                exchange.asked = Some(now);
                exchange.expected = ANSWER;
                channel.queue(&Message::PexReq);
            }
        }
    }

    /// PEX_REQ: names members that were heard from within a minute, each with its certificate.
    pub(super) fn asked_for_peers(&mut self, link: LinkId, now: Timestamp) {
        let wall = self.wall(now);
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        let exchange = &mut channel.exchange;
        if exchange
            .answered
            .is_some_and(|answered| now.since(answered) < ASK_PAUSE)
        {
            return;
        }
        exchange.answered = Some(now);
        let asking = channel.peer;
        let mut named: Vec<Bytes> = self
            .channels
            .values()
            .filter(|other| {
                other.is_open() && other.peer != asking && now.since(other.last_received) <= FRESH
            })
            .filter_map(|other| other.exchange.certificate.as_ref())
            .filter(|(_, expires)| *expires > wall)
            .map(|(certificate, _)| certificate.clone())
            .collect();
        random::shuffle(&mut self.rng, &mut named);
        if let Some(channel) = self.channels.get_mut(link) {
            for certificate in named.into_iter().take(ANSWER) {
                channel.queue(&Message::PexResCert(certificate));
            }
        }
    }

    /// PEX_REScert: the neighbour's own certificate, or one of those asked for.
    pub(super) fn peer_named(&mut self, link: LinkId, certificate: Bytes) {
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        let exchange = &mut channel.exchange;
        // Its own may come unasked.
        if exchange.distrusted || exchange.unchecked.len() > exchange.expected {
            return;
        }
        exchange.unchecked.push_back(certificate);
        self.check_certificates(link);
    }

    fn check_certificates(&mut self, link: LinkId) {
        while self.checks.certificates_of(link) < CHECKED_AT_A_TIME && !self.checks.is_full() {
            let next = self
                .channels
                .get_mut(link)
                .and_then(|channel| channel.exchange.unchecked.pop_front());
            let Some(certificate) = next else { return };
            let check = self.checks.certificate(CertificateCheck {
                link,
                certificate: certificate.clone(),
            });
            self.outputs
                .push_back(Output::CheckCertificate { check, certificate });
        }
    }

    pub(super) fn certificate_checked(&mut self, check: CheckId, member: Option<Member>, now: Timestamp) {
        let Some(CertificateCheck { link, certificate }) = self.checks.take_certificate(check) else {
            return;
        };
        let wall = self.wall(now);
        let me = self.config.peer_id;
        let known = |peer| self.channels.values().any(|channel| channel.peer == peer);
        let stranger = member.is_some_and(|member| member.peer != me && !known(member.peer));
        let Some(channel) = self.channels.get_mut(link) else {
            return;
        };
        match member.filter(|member| member.expires > wall) {
            None => {
                channel.exchange.distrusted = true;
                channel.exchange.unchecked.clear();
                channel.exchange.certificate = None;
                self.event(Event::CertificateRefused { link });
            }
            Some(member) if member.peer == channel.peer => {
                channel.exchange.certificate = Some((certificate, member.expires));
            }
            Some(member) => {
                // Others' certificates come only when asked for.
                if channel.exchange.expected > 0 {
                    channel.exchange.expected -= 1;
                    if stranger {
                        self.outputs.push_back(Output::Candidate {
                            peer: member.peer,
                            via: link,
                            certificate,
                        });
                    }
                }
            }
        }
        self.check_certificates(link);
    }
}
