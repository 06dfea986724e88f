//! Envelopes between peers.

use tracker_protocol::*;

use crate::peer::*;

fn reason(response: &Response) -> (ErrorCode, &str) {
    (response.code, response.ext.reason.as_deref().unwrap_or_default())
}

#[tokio::test]
async fn offer_answer_and_candidates_arrive_untouched_and_in_order() {
    let url = start(config()).await;
    let (mut one, mut two) = (TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await);
    let mut offer = one.signal(Kind::Offer, two.id(), "x");
    offer.prof = Some(Profile {
        proto: "ppspp/1".to_owned(),
        ch: vec![0, 1],
        mms: 262_144,
    });
    (offer.key, offer.sig) = (Some("DWzf".to_owned()), Some("x".to_owned()));
    offer.sdp = Some("v=0\r\nquotes \" and \u{1F3AC} survive\r\n".to_owned());
    assert_eq!(one.relay(offer.clone()).await.code, ErrorCode::NoError);
    assert_eq!(two.pushed().await, offer);
    let answer = two.signal(Kind::Answer, one.id(), "x");
    assert_eq!(two.relay(answer.clone()).await.code, ErrorCode::NoError);
    assert_eq!(one.pushed().await, answer);
    for n in 1..20 {
        let candidate = Signal {
            n,
            ..one.signal(Kind::Candidate, two.id(), "x")
        };
        let request = one.message(RequestBody::Signal(Box::new(candidate)), RequestExt::default());
        one.send(&request).await;
    }
    for n in 1..20 {
        assert_eq!(two.pushed().await.n, n);
    }
}

#[tokio::test]
async fn refusals_say_why() {
    let url = start(config()).await;
    let (mut one, mut two) = (TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await);
    let mut elsewhere = TestPeer::open(&url, 3).await;
    elsewhere.connect(vec![join(B)]).await;
    let response = one.relay(one.signal(Kind::Offer, elsewhere.id(), "x")).await;
    assert_eq!(reason(&response), (ErrorCode::Forbidden, "no-such-peer"));
    let response = one.relay(one.signal(Kind::Offer, &Key::new(9).id, "x")).await;
    assert_eq!(reason(&response), (ErrorCode::Forbidden, "no-such-peer"));
    for kind in [Kind::Answer, Kind::Candidate, Kind::End, Kind::Bye] {
        let response = two.relay(two.signal(kind, one.id(), "x")).await;
        assert_eq!(
            reason(&response),
            (ErrorCode::Forbidden, "no-such-offer"),
            "{kind:?}"
        );
    }
}

#[tokio::test]
async fn batch_offers_are_handed_to_members_and_answered() {
    let url = start(config()).await;
    let mut members = [TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await];
    let mut newcomer = TestPeer::open(&url, 3).await;
    let offers = ["a", "b", "c"]
        .map(|oid| newcomer.signal(Kind::Offer, "", oid))
        .to_vec();
    let ext = RequestExt {
        auth: Some(newcomer.auth()),
        supports: vec![SUPPORTS_SIGNAL.to_owned(), SUPPORTS_OFFERS.to_owned()],
        offers,
        ..RequestExt::default()
    };
    let response = newcomer.ask(connect_body(vec![join(A)]), ext).await;
    assert_eq!(response.ext.offers_sent, Some(2));
    let mut oids = Vec::new();
    for member in &mut members {
        let offer = member.pushed().await;
        assert_eq!(
            (offer.kind, offer.from.as_str(), offer.to.as_str()),
            (Kind::Offer, newcomer.id(), "")
        );
        let answer = member.signal(Kind::Answer, newcomer.id(), &offer.oid);
        assert_eq!(member.relay(answer.clone()).await.code, ErrorCode::NoError);
        assert_eq!(newcomer.pushed().await, answer);
        oids.push(offer.oid);
    }
    assert_ne!(oids[0], oids[1]);
}

#[tokio::test]
async fn a_repeated_request_is_answered_again_but_not_done_again() {
    let url = start(config()).await;
    let (mut one, mut two) = (TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await);
    let first = one.signal(Kind::Offer, two.id(), "first");
    let request = one.message(RequestBody::Signal(Box::new(first)), RequestExt::default());
    for _ in 0..3 {
        one.send(&request).await;
        let response = one.response().await;
        assert_eq!(
            (response.code, &response.transaction_id),
            (ErrorCode::NoError, &request.transaction_id)
        );
    }
    let second = one.signal(Kind::Offer, two.id(), "second");
    one.relay(second).await;
    assert_eq!(
        [two.pushed().await.oid, two.pushed().await.oid],
        ["first", "second"]
    );
    // FIND: the very same answer, though the swarm has changed.
    let find = RequestBody::Find(Find {
        swarm_id: A.to_owned(),
        peer_num: None,
    });
    let request = one.message(find, RequestExt::default());
    one.send(&request).await;
    let answer = one.frame().await.unwrap();
    let _third = TestPeer::joined(&url, 3).await;
    one.send(&request).await;
    assert_eq!(one.frame().await.unwrap(), answer);
}
