//! CONNECT, FIND and STAT_REPORT.

use std::collections::BTreeSet;

use tracker_protocol::*;

use crate::peer::*;

#[tokio::test]
async fn hello_says_what_the_tracker_takes() {
    let peer = TestPeer::open(&start(config()).await, 1).await;
    assert_eq!(decode_base64url(&peer.hello.nonce).unwrap().len(), 32);
    assert_eq!(
        peer.hello.limits,
        Limits {
            frame: 65536,
            offers: 5,
            peers: 29,
            sdp: 8192
        }
    );
    assert!(peer.hello.supports.contains(&SUPPORTS_SIGNAL.to_owned()));
}

#[tokio::test]
async fn joining_lists_those_who_are_there() {
    let url = start(config()).await;
    let first = TestPeer::joined(&url, 1).await;
    let mut second = TestPeer::open(&url, 2).await;
    let response = second.connect(vec![join(A)]).await;
    assert_eq!(listed(&response), [first.id()]);
    assert_eq!(
        (response.ext.interval, response.ext.track_timeout),
        (Some(30), Some(95))
    );
    let peer = &response.swarm_result[0].peer_group.as_ref().unwrap().peer_info[0];
    assert_eq!(
        (peer.peer_addr.ip_address.address.as_str(), peer.peer_addr.port),
        ("0.0.0.0", 0)
    );
    assert_eq!(
        (peer.ext.mode, &peer.ext.via[..]),
        (Some(PeerMode::Leech), &["signal".to_owned()][..])
    );
}

#[tokio::test]
async fn a_seeder_is_given_a_list_only_when_it_asks() {
    let url = start(config()).await;
    let _first = TestPeer::joined(&url, 1).await;
    let mut seeder = TestPeer::open(&url, 2).await;
    let response = seeder
        .connect(vec![connect_action(A, Action::Join, PeerMode::Seeder)])
        .await;
    assert_eq!(response.swarm_result[0].peer_group, None);
}

#[tokio::test]
async fn find_gives_as_many_as_asked_within_limits() {
    let url = start(config()).await;
    let mut peers = Vec::new();
    for seed in 1..=35 {
        peers.push(TestPeer::joined(&url, seed).await);
    }
    let all: BTreeSet<String> = peers.iter().map(|peer| peer.id().to_owned()).collect();
    let mut asker = peers.remove(0);
    for (asked, given) in [
        (None, 10),
        (Some(0), 1),
        (Some(29), 29),
        (Some(30), 29),
        (Some(10_000), 29),
    ] {
        let response = asker.find(A, asked).await;
        let listed: BTreeSet<&str> = listed(&response).into_iter().collect();
        assert_eq!(listed.len(), given, "{asked:?}");
        assert!(
            listed
                .iter()
                .all(|peer| all.contains(*peer) && *peer != asker.id())
        );
    }
    // Excluded peers are left out.
    let exclude: Vec<String> = peers[..20].iter().map(|peer| peer.id().to_owned()).collect();
    let find = Find {
        swarm_id: A.to_owned(),
        peer_num: Some(PeerNum {
            peer_count: Some(29),
            ..PeerNum::default()
        }),
    };
    let ext = RequestExt {
        exclude: exclude.clone(),
        ..RequestExt::default()
    };
    let response = asker.ask(RequestBody::Find(find), ext).await;
    assert_eq!(listed(&response).len(), 14);
    assert!(
        listed(&response)
            .iter()
            .all(|peer| !exclude.iter().any(|other| other == peer))
    );
}

#[tokio::test]
async fn switching_channels_moves_a_peer() {
    let url = start(config()).await;
    let mut watcher = TestPeer::joined(&url, 1).await;
    watcher
        .ask(connect_body(vec![join(B)]), RequestExt::default())
        .await;
    let mut peer = TestPeer::joined(&url, 2).await;
    let leave = connect_action(A, Action::Leave, PeerMode::Leech);
    let response = peer
        .ask(connect_body(vec![leave, join(B)]), RequestExt::default())
        .await;
    assert_eq!(
        response
            .swarm_result
            .iter()
            .map(|result| result.swarm_id.as_str())
            .collect::<Vec<_>>(),
        [A, B]
    );
    assert!(listed(&watcher.find(A, None).await).is_empty());
    assert_eq!(listed(&watcher.find(B, None).await), [peer.id()]);
    assert_eq!(peer.find(A, None).await.code, ErrorCode::Forbidden);
}

#[tokio::test]
async fn reports_are_accepted_for_own_swarms_only() {
    let url = start(config()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    let report = |swarm: &str| {
        let qos = Some(Qos {
            ttff_ms: 640,
            ..Qos::default()
        });
        RequestBody::StatReport(vec![Stat {
            swarm_id: swarm.to_owned(),
            uploaded_bytes: 1,
            ext: StatExt { qos, map: None },
            ..Stat::default()
        }])
    };
    let response = peer.ask(report(A), RequestExt::default()).await;
    assert_eq!(
        (response.code, response.swarm_result.len()),
        (ErrorCode::NoError, 1)
    );
    assert_eq!(response.swarm_result[0].peer_group, None);
    assert_eq!(
        peer.ask(report(B), RequestExt::default()).await.code,
        ErrorCode::Forbidden
    );
    let keep_alive = peer
        .ask(RequestBody::StatReport(Vec::new()), RequestExt::default())
        .await;
    assert_eq!(keep_alive.code, ErrorCode::NoError);
}

#[tokio::test]
async fn rfc_style_requests_are_understood() {
    let url = start(config()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    let _other = TestPeer::joined(&url, 2).await;
    // Members of FIND in the root, numbers as strings.
    let find = format!(
        r#"{{"PPSPTrackerProtocol":{{"version":"1","request_type":"FIND","transaction_id":12345,"peer_id":"{}",
        "swarm_id":"{A}","peer_num":{{"peer_count":"5"}},"unknown":{{}}}}}}"#,
        peer.id()
    );
    peer.send_text(&find).await;
    let response = peer.response().await;
    assert_eq!(
        (response.transaction_id.as_str(), listed(&response).len()),
        ("12345", 1)
    );
}
