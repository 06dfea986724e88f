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
/// Neighbours are asked one after the other, for what one names is tried before the next is asked: with this pause for each
/// neighbour there is, as who has many is not in need.
const SPACING: Duration = Duration::from_secs(3);
/// Certificates in one answer.
const ANSWER: usize = 8;
/// A peer that was named to a neighbour is not named to it again for this long.
const NAMED_AGAIN: Duration = Duration::from_secs(300);
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

    /// Asks one neighbour for peers, the one that was not asked for longest.
    pub(super) fn find_peers(&mut self, now: Timestamp) {
        let open = || self.channels.values().filter(|channel| channel.is_open());
        let latest = open().filter_map(|channel| channel.exchange.asked).max();
        let pause = SPACING * open().count() as u32;
        if latest.is_some_and(|latest| now.since(latest) < pause) {
            return;
        }
        let rested = self.channels.values_mut().filter(|channel| {
            let exchange = &channel.exchange;
            let rested = exchange.asked.is_none_or(|asked| now.since(asked) >= ASK_PAUSE);
            channel.is_open() && rested && !exchange.distrusted
        });
        if let Some(channel) = rested.min_by_key(|channel| channel.exchange.asked) {
            channel.exchange.asked = Some(now);
            channel.exchange.expected = ANSWER;
            channel.queue(&Message::PexReq);
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
        exchange.named.retain(|(_, when)| now.since(*when) < NAMED_AGAIN);
        let mut known = core::mem::take(&mut exchange.named);
        let asking = channel.peer;
        let mut named: Vec<LinkId> = self
            .channels
            .values()
            .filter(|other| {
                let certificate = other.exchange.certificate.as_ref();
                other.is_open()
                    && other.peer != asking
                    && now.since(other.last_received) <= FRESH
                    && certificate.is_some_and(|(_, expires)| *expires > wall)
                    && known.iter().all(|(link, _)| *link != other.link)
            })
            .map(|other| other.link)
            .collect();
        random::shuffle(&mut self.rng, &mut named);
        named.truncate(ANSWER);
        known.extend(named.iter().map(|link| (*link, now)));
        for other in named {
            let certificate = self
                .channels
                .get(other)
                .and_then(|other| other.exchange.certificate.clone());
            if let (Some((certificate, _)), Some(channel)) = (certificate, self.channels.get_mut(link)) {
                channel.queue(&Message::PexResCert(certificate));
            }
        }
        if let Some(channel) = self.channels.get_mut(link) {
            channel.exchange.named = known;
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
        exchange.unchecked.push(certificate);
        self.check_certificates(link);
    }

    fn check_certificates(&mut self, link: LinkId) {
        while self.checks.certificates_of(link) < CHECKED_AT_A_TIME && !self.checks.is_full() {
            let next = self
                .channels
                .get_mut(link)
                .and_then(|channel| channel.exchange.unchecked.pop());
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
