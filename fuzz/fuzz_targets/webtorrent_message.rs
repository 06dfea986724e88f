//! Frames of WebTorrent's clients: reading never panics, what is read of those in the plain form is what serde_json reads of
//! them, and what is passed on is what was said.

#![no_main]

#[path = "../../tracker-ws/src/webtorrent/message.rs"]
#[expect(dead_code, reason = "a part of the tracker's own")]
mod message;
#[path = "../../tracker-ws/src/webtorrent/plain.rs"]
mod plain;
#[path = "../../tracker-ws/src/webtorrent/wire.rs"]
mod wire;

use libfuzzer_sys::fuzz_target;
use message::{MAX_OFFERS, Message, Push, What, failure};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::borrow::Cow;
use wire::Wire;

/// What a member gets of another.
#[derive(Deserialize)]
struct Pushed<'a> {
    action: &'a str,
    #[serde(borrow)]
    info_hash: Cow<'a, str>,
    #[serde(borrow)]
    peer_id: Cow<'a, str>,
    #[serde(borrow)]
    offer_id: Cow<'a, str>,
    #[serde(borrow)]
    offer: &'a RawValue,
}

fn is_id(id: &str) -> bool {
    id.chars().count() == 20 && id.chars().all(|char| char <= '\u{ff}')
}

/// It arrives unchanged, and adds nothing to the frame that it is in.
fn passed_on(info_hash: &str, from: &str, offer_id: &str, description: &str) {
    assert!(is_id(offer_id));
    let frame = Push::new(info_hash, from).frame("offer", offer_id, description).concat();
    let pushed: Pushed<'_> = serde_json::from_str(&frame).expect("own frame");
    assert_eq!(
        (
            pushed.action,
            &*pushed.info_hash,
            &*pushed.peer_id,
            &*pushed.offer_id
        ),
        ("announce", info_hash, from, offer_id)
    );
    assert_eq!(pushed.offer.get(), description);
}

fuzz_target!(|data: &[u8]| {
    let Ok(frame) = std::str::from_utf8(data) else {
        return;
    };
    if let Some(wire) = plain::read(frame) {
        assert_eq!(wire, serde_json::from_str::<Wire<'_>>(frame).expect("JSON of the right form"));
    }
    match Message::read(frame) {
        Ok(Message::Scrape(hashes)) => assert!(hashes.len() <= 64 && hashes.iter().all(|hash| is_id(hash))),
        Ok(Message::Announce(announce)) => {
            let (info_hash, peer_id) = (&announce.info_hash, &announce.peer_id);
            assert!(is_id(info_hash) && is_id(peer_id));
            match announce.what {
                What::Here { offers, .. } => {
                    assert!(offers.len() <= MAX_OFFERS);
                    for (offer_id, offer) in offers {
                        passed_on(info_hash, peer_id, &offer_id, offer);
                    }
                }
                What::Answer { to, offer_id, answer } => {
                    assert!(is_id(&to));
                    passed_on(info_hash, peer_id, &offer_id, answer);
                }
                What::Stopped => {}
            }
        }
        Err(error) => {
            let refused = failure("announce", None, &error.to_string());
            serde_json::from_str::<serde_json::Value>(&refused).expect("own frame");
        }
    }
});
