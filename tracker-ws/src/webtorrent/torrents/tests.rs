//! The dialect's swarms on virtual time.

use rand::SeedableRng;
use serde_json::{Value, json};

use super::super::message::Message;
use super::*;

const SECOND: Timestamp = 1_000_000;

struct Test {
    torrents: Torrents,
    now: Timestamp,
}

/// The info hash or ID of 20 characters that starts with this.
fn id(name: &str) -> String {
    format!("{name:_<20}")
}

fn offer(offer_id: &str) -> Value {
    json!({"offer":{"type":"offer","sdp":"v=0"},"offer_id":id(offer_id)})
}

impl Test {
    fn new() -> Self {
        let config = TorrentsConfig {
            interval: 120,
            max_members: 1000,
            swarm_requests: Rate {
                per_second: 1000,
                burst: 1000,
            },
        };
        Self {
            torrents: Torrents::new(config, StdRng::seed_from_u64(3)),
            now: 0,
        }
    }

    /// What was said to whom, or why the announce was refused.
    fn announce(
        &mut self,
        session: SessionId,
        peer: &str,
        members: &Value,
    ) -> Result<Vec<(SessionId, Value)>, Refused> {
        let mut message = json!({"action":"announce","info_hash":id("swarm"),"peer_id":id(peer)});
        for (name, value) in members.as_object().unwrap() {
            message[name] = value.clone();
        }
        let text = message.to_string();
        let Message::Announce(announce) = Message::read(&text).unwrap() else {
            panic!("{text}")
        };
        let outcome = self.torrents.announce(self.now, session, &announce)?;
        let mut said = Vec::new();
        outcome.say(session, &announce, |to, pieces| {
            said.push((to, serde_json::from_str(&pieces.concat()).unwrap()));
        });
        Ok(said)
    }

    fn join(&mut self, session: SessionId) {
        self.announce(session, &format!("peer{session}"), &json!({}))
            .unwrap();
    }

    /// Peer 1 offers, peer 2 gets it; returns whether an answer passes.
    fn offered() -> Self {
        let mut test = Self::new();
        test.join(2);
        let said = test
            .announce(1, "peer1", &json!({"offers":[offer("o")]}))
            .unwrap();
        assert_eq!(said.iter().map(|(to, _)| *to).collect::<Vec<_>>(), [2, 1]);
        test
    }

    fn answer(&mut self, session: SessionId, from: &str, offer_id: &str) -> Result<(), Refused> {
        let answer =
            json!({"to_peer_id":id("peer1"),"offer_id":id(offer_id),"answer":{"type":"answer","sdp":"v=1"}});
        let said = self.announce(session, from, &answer)?;
        let expected = json!({"action":"announce","info_hash":id("swarm"),"peer_id":id(from),
            "offer_id":id(offer_id),"answer":{"type":"answer","sdp":"v=1"}});
        assert_eq!(said, [(1, expected)]);
        Ok(())
    }
}

#[test]
fn offers_go_to_others_one_each() {
    let mut test = Test::new();
    (2..6).for_each(|session| test.join(session));
    let offers: Vec<Value> = (0..10).map(|at| offer(&at.to_string())).collect();
    let said = test.announce(1, "peer1", &json!({"offers":offers})).unwrap();
    let mut to: Vec<SessionId> = said.iter().map(|(to, _)| *to).collect();
    to.sort_unstable();
    assert_eq!(to, [1, 2, 3, 4, 5]);
    for (to, frame) in &said {
        match to {
            1 => assert_eq!(
                *frame,
                json!({"action":"announce","info_hash":id("swarm"),"interval":120,"complete":0,"incomplete":5})
            ),
            _ => {
                assert_eq!(frame["peer_id"], id("peer1"));
                assert_eq!(frame["offer"], json!({"type":"offer","sdp":"v=0"}));
            }
        }
    }
    // Of another swarm nobody hears.
    let elsewhere = json!({"info_hash":id("other"),"offers":offers});
    assert_eq!(test.announce(9, "peer9", &elsewhere).unwrap().len(), 1);
}

#[test]
fn an_answer_passes_once_along_its_offer_in_its_lifetime() {
    let mut test = Test::offered();
    assert_eq!(test.answer(2, "peer2", "x"), Err(Refused::NoSuchOffer));
    test.join(3);
    assert_eq!(test.answer(3, "peer3", "o"), Err(Refused::NoSuchOffer));
    assert_eq!(test.answer(4, "peer4", "o"), Err(Refused::NotMember));
    assert_eq!(test.answer(2, "peer2", "o"), Ok(()));
    assert_eq!(test.answer(2, "peer2", "o"), Err(Refused::NoSuchOffer));
    let mut test = Test::offered();
    test.now = 120 * SECOND;
    assert_eq!(test.answer(2, "peer2", "o"), Err(Refused::NoSuchOffer));
    let mut test = Test::offered();
    test.torrents.end(1);
    assert_eq!(test.answer(2, "peer2", "o"), Err(Refused::NoSuchPeer));
}

#[test]
fn an_id_belongs_to_its_socket() {
    let mut test = Test::offered();
    // Neither a foreign stop, nor a takeover, nor an answer in another's name.
    for members in [
        json!({"event":"stopped"}),
        json!({}),
        json!({"offers":[offer("p")]}),
    ] {
        assert_eq!(test.announce(7, "peer2", &members), Err(Refused::Foreign));
    }
    assert_eq!(test.answer(7, "peer2", "o"), Err(Refused::Foreign));
    assert_eq!(test.answer(2, "peer2", "o"), Ok(()));
    // Until the socket is gone.
    test.torrents.end(2);
    assert!(test.announce(7, "peer2", &json!({})).is_ok());
}

#[test]
fn ids_and_memberships_of_a_socket_are_bounded() {
    let mut test = Test::new();
    for peer in 0..MAX_IDS {
        assert!(test.announce(1, &peer.to_string(), &json!({})).is_ok());
    }
    assert_eq!(test.announce(1, "more", &json!({})), Err(Refused::TooManyIds));
    let of = |hash: usize| json!({"info_hash":id(&hash.to_string())});
    for hash in MAX_IDS..MAX_MEMBERSHIPS {
        assert!(test.announce(1, "0", &of(hash)).is_ok());
    }
    assert_eq!(test.announce(1, "0", &of(999)), Err(Refused::TooManyHashes));
    assert_eq!(test.torrents.member_count(), MAX_MEMBERSHIPS);
    test.torrents.end(1);
    assert_eq!(
        (test.torrents.member_count(), test.torrents.torrent_count()),
        (0, 0)
    );
    assert!(test.torrents.owners.is_empty() && test.torrents.sessions.is_empty());
}

#[test]
fn a_full_tracker_says_so() {
    let mut test = Test::new();
    test.torrents.config.max_members = 2;
    (1..3).for_each(|session| test.join(session));
    assert_eq!(test.announce(3, "peer3", &json!({})), Err(Refused::Full));
    // Those who are in stay in.
    test.join(2);
    assert!(test.announce(2, "peer2", &json!({"event":"stopped"})).is_ok());
    test.join(3);
}

#[test]
fn members_are_counted() {
    let mut test = Test::new();
    (1..4).for_each(|session| test.join(session));
    let counts = |test: &Test| {
        let text = test.torrents.scrape(&[id("swarm"), id("none")]);
        let answer: Value = serde_json::from_str(&text).unwrap();
        let zero = json!({"complete":0,"incomplete":0,"downloaded":0});
        assert_eq!(answer["files"][id("none")], zero);
        let file = &answer["files"][id("swarm")];
        ["complete", "incomplete", "downloaded"].map(|name| file[name].as_u64().unwrap())
    };
    assert_eq!(counts(&test), [0, 3, 0]);
    test.announce(1, "peer1", &json!({"event":"completed","left":0}))
        .unwrap();
    test.announce(1, "peer1", &json!({"left":0})).unwrap();
    test.announce(2, "peer2", &json!({"left":0})).unwrap();
    assert_eq!(counts(&test), [2, 1, 1]);
    test.announce(2, "peer2", &json!({"left":7})).unwrap();
    assert_eq!(counts(&test), [1, 2, 1]);
    test.announce(1, "peer1", &json!({"event":"stopped"})).unwrap();
    assert_eq!(counts(&test), [0, 2, 1]);
    test.torrents.end(2);
    test.torrents.end(3);
    assert_eq!(counts(&test), [0, 0, 0]);
}

#[test]
fn what_is_not_announced_any_more_ends() {
    let mut test = Test::new();
    test.join(1);
    test.announce(1, "peer1", &json!({"info_hash":id("other")}))
        .unwrap();
    test.now = 200 * SECOND;
    test.join(1);
    test.torrents.expire(360 * SECOND - 1, 1);
    assert_eq!(test.torrents.torrent_count(), 2);
    test.torrents.expire(360 * SECOND, 1);
    assert_eq!(test.torrents.torrent_count(), 1);
    assert!(test.torrents.is_member(1));
}
