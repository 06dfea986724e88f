//! The registry on virtual time.

use rand::SeedableRng;
use tracker_protocol::{
    Action, AddressKind, AddressType, Auth, ChunkMap, Connect, Find, FromTracker, IpAddress,
    MAX_CERTIFICATES, MapReport, PeerAddr, PeerInfoExt, PeerNum, Qos, RequestExt, Role, Stat, StatExt,
    SwarmAction, connect_action, peer_id_of,
};

use super::*;

mod elsewhere;
mod lists;

const A: &str = "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";
const B: &str = "0d6c4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";
const SECOND: Timestamp = 1_000_000;

struct Test {
    registry: Registry,
    now: Timestamp,
    transaction: u32,
    /// Handed in with every request.
    certificates: Vec<IssuedCertificate>,
    /// Where posts come from, unless each peer's do from a block of its own.
    post_from: Option<IpAddr>,
}

fn id(peer: u64) -> String {
    peer_id_of(&peer.to_be_bytes())
}

/// Of a block of its own.
fn address_of(peer: u64) -> IpAddr {
    let peer = u16::try_from(peer).unwrap().to_be_bytes();
    IpAddr::from([10, peer[0], peer[1], 1])
}

fn certificate_of(swarm: &str, cert: &str) -> IssuedCertificate {
    IssuedCertificate {
        swarm_id: swarm.to_owned(),
        cert: cert.to_owned(),
        expires: 1,
    }
}

fn join(swarm: &str) -> SwarmAction {
    connect_action(swarm, Action::Join, PeerMode::Leech)
}

fn signal(kind: Kind, from: u64, to: u64, oid: &str) -> Signal {
    let mut signal = Signal::new(kind, A, &id(from), &id(to), oid, 0, 0);
    signal.sdp = Some("v=0".to_owned());
    signal.cand = Some("{}".to_owned());
    signal
}

impl Test {
    fn new() -> Self {
        let config = RegistryConfig {
            peer: PeerConfig::default(),
            interval: 30,
            max_peers: 100,
            requests: Rate {
                per_second: 10,
                burst: 30,
            },
            swarm_requests: Rate {
                per_second: 1000,
                burst: 1000,
            },
        };
        Self {
            registry: Registry::new(config, StdRng::seed_from_u64(5)),
            now: 0,
            transaction: 0,
            certificates: Vec::new(),
            post_from: None,
        }
    }

    /// Session and peer have the same number.
    fn with_peers(peers: std::ops::Range<u64>) -> Self {
        let mut test = Self::new();
        for peer in peers {
            test.attach(peer, peer);
            assert_eq!(
                test.connect(peer, vec![join(A)], Vec::new()).0.code,
                ErrorCode::NoError
            );
        }
        test
    }

    fn attach(&mut self, session: SessionId, peer: u64) -> Vec<Outgoing> {
        let mut out = Vec::new();
        self.registry
            .attach(self.now, session, address_of(peer), &id(peer), &mut out);
        out
    }

    /// Returns the response and the pushes.
    fn request_as(
        &mut self,
        session: SessionId,
        peer: u64,
        body: RequestBody,
        ext: RequestExt,
    ) -> (Response, Vec<(SessionId, Event)>) {
        self.transaction += 1;
        let transaction_id = self.transaction.to_string();
        let request = Request {
            transaction_id,
            peer_id: id(peer),
            body,
            ext,
        };
        let (frame, mut out) = (request.encode().unwrap(), Vec::new());
        let (code, _) = self.registry.request(
            self.now,
            session,
            &request,
            &frame,
            self.certificates.clone(),
            &mut out,
        );
        let (mut response, mut pushes) = (None, Vec::new());
        // Success of these is not waited for.
        let follows_offer =
            matches!(&request.body, RequestBody::Signal(signal) if signal.kind != Kind::Offer);
        for Outgoing { to, what } in out {
            let is_late = matches!(what, Delivery::Late(_));
            let (Delivery::Frame(frame) | Delivery::Late(frame)) = what else {
                panic!("{what:?}")
            };
            match FromTracker::decode(&frame).unwrap() {
                FromTracker::Response(answer) => {
                    assert_eq!(to, session);
                    assert_eq!(is_late, follows_offer && answer.code == ErrorCode::NoError);
                    response = Some(answer);
                }
                FromTracker::Event(event) => pushes.push((to, event)),
            }
        }
        let response = response.unwrap();
        assert_eq!(response.code, code);
        (response, pushes)
    }

    fn request(
        &mut self,
        peer: u64,
        body: RequestBody,
        ext: RequestExt,
    ) -> (Response, Vec<(SessionId, Event)>) {
        self.request_as(peer, peer, body, ext)
    }

    fn connect(
        &mut self,
        peer: u64,
        swarm_action: Vec<SwarmAction>,
        offers: Vec<Signal>,
    ) -> (Response, Vec<(SessionId, Event)>) {
        let connect = Connect {
            swarm_action,
            ..Connect::default()
        };
        let supports = vec![SUPPORTS_SIGNAL.to_owned()];
        let ext = RequestExt {
            offers,
            supports,
            ..RequestExt::default()
        };
        self.request(peer, RequestBody::Connect(connect), ext)
    }

    fn find(&mut self, peer: u64, swarm: &str) -> Result<Vec<String>, ErrorCode> {
        let find = Find {
            swarm_id: swarm.to_owned(),
            peer_num: Some(PeerNum {
                peer_count: Some(29),
                ..PeerNum::default()
            }),
        };
        let (response, _) = self.request(peer, RequestBody::Find(find), RequestExt::default());
        if response.code != ErrorCode::NoError {
            return Err(response.code);
        }
        let group = response
            .swarm_result
            .into_iter()
            .next()
            .unwrap()
            .peer_group
            .unwrap();
        let mut peers: Vec<String> = group.peer_info.into_iter().map(|peer| peer.peer_id).collect();
        peers.sort();
        Ok(peers)
    }

    /// The reason of a refusal, or the session it was pushed to.
    fn relay(&mut self, signal: Signal, session: u64) -> Result<SessionId, String> {
        let (response, pushes) = self.request(
            session,
            RequestBody::Signal(Box::new(signal)),
            RequestExt::default(),
        );
        match response.code {
            ErrorCode::NoError => {
                assert_eq!(pushes.len(), 1);
                Ok(pushes[0].0)
            }
            ErrorCode::Forbidden => {
                assert!(pushes.is_empty());
                Err(response.ext.reason.unwrap())
            }
            code => panic!("{code}"),
        }
    }

    fn expire(&mut self, now: Timestamp) -> Vec<Outgoing> {
        self.now = now;
        let mut out = Vec::new();
        self.registry.handle_timeout(now, &mut out);
        out
    }
}

fn ids(peers: &[u64]) -> Vec<String> {
    let mut ids: Vec<String> = peers.iter().map(|peer| id(*peer)).collect();
    ids.sort();
    ids
}

#[test]
fn lists_name_the_others_of_the_swarm() {
    let mut test = Test::with_peers(1..4);
    assert_eq!(test.find(1, A).unwrap(), ids(&[2, 3]));
    assert_eq!(test.find(1, B), Err(ErrorCode::Forbidden));
    test.connect(2, vec![join(B)], Vec::new());
    assert_eq!(test.find(2, B).unwrap(), ids(&[]));
}

#[test]
fn answers_follow_offers_for_120_seconds() {
    let mut test = Test::with_peers(1..4);
    assert_eq!(
        test.relay(signal(Kind::Answer, 2, 1, "x"), 2),
        Err("no-such-offer".to_owned())
    );
    assert_eq!(test.relay(signal(Kind::Offer, 1, 2, "x"), 1), Ok(2));
    for kind in [Kind::Answer, Kind::Candidate, Kind::End, Kind::Bye] {
        assert_eq!(test.relay(signal(kind, 2, 1, "x"), 2), Ok(1), "{kind:?}");
        assert_eq!(
            test.relay(signal(kind, 3, 1, "x"), 3),
            Err("no-such-offer".to_owned()),
            "{kind:?}"
        );
        assert_eq!(
            test.relay(signal(kind, 2, 1, "y"), 2),
            Err("no-such-offer".to_owned()),
            "{kind:?}"
        );
    }
    for kind in [Kind::Candidate, Kind::End, Kind::Bye] {
        assert_eq!(test.relay(signal(kind, 1, 2, "x"), 1), Ok(2), "{kind:?}");
    }
    // The offerer cannot answer itself.
    assert_eq!(
        test.relay(signal(Kind::Answer, 1, 2, "x"), 1),
        Err("no-such-offer".to_owned())
    );
    for now in [60 * SECOND, 120 * SECOND] {
        test.now = now;
        (1..4).for_each(|peer| drop(test.connect(peer, vec![join(A)], Vec::new())));
    }
    assert_eq!(
        test.relay(signal(Kind::Answer, 2, 1, "x"), 2),
        Err("no-such-offer".to_owned())
    );
}

#[test]
fn envelopes_reach_only_members_and_come_from_their_sender() {
    let mut test = Test::with_peers(1..3);
    test.attach(3, 3);
    test.connect(3, vec![join(B)], Vec::new());
    assert_eq!(
        test.relay(signal(Kind::Offer, 1, 3, "x"), 1),
        Err("no-such-peer".to_owned())
    );
    assert_eq!(
        test.relay(signal(Kind::Offer, 1, 9, "x"), 1),
        Err("no-such-peer".to_owned())
    );
    assert_eq!(
        test.relay(signal(Kind::Offer, 1, 1, "x"), 1),
        Err("no-such-peer".to_owned())
    );
    assert_eq!(
        test.relay(signal(Kind::Offer, 2, 1, "x"), 1),
        Err("not-this-socket's-peer".to_owned())
    );
    assert_eq!(
        test.relay(signal(Kind::Offer, 3, 1, "x"), 3),
        Err("not-a-member".to_owned())
    );
    // Without `signal/1` in `supports` nothing is pushed.
    test.attach(4, 4);
    let connect = Connect {
        swarm_action: vec![join(A)],
        ..Connect::default()
    };
    test.request(4, RequestBody::Connect(connect), RequestExt::default());
    assert_eq!(
        test.relay(signal(Kind::Offer, 1, 4, "x"), 1),
        Err("no-such-peer".to_owned())
    );
}

#[test]
fn foreign_ids_are_refused_on_a_proven_session() {
    let mut test = Test::with_peers(1..3);
    let find = RequestBody::Find(Find {
        swarm_id: A.to_owned(),
        peer_num: None,
    });
    assert_eq!(
        test.request_as(1, 2, find, RequestExt::default()).0.code,
        ErrorCode::Forbidden
    );
    let mut offer = signal(Kind::Offer, 2, 1, "x");
    offer.to.clear();
    assert_eq!(
        test.connect(1, vec![join(A)], vec![offer]).0.code,
        ErrorCode::Forbidden
    );
    let find = RequestBody::Find(Find {
        swarm_id: A.to_owned(),
        peer_num: None,
    });
    assert_eq!(
        test.request_as(77, 1, find, RequestExt::default()).0.code,
        ErrorCode::AuthenticationRequired
    );
}

#[test]
fn batch_offers_go_to_different_members() {
    let mut test = Test::with_peers(1..4);
    test.attach(9, 9);
    let offers = (0..5).map(|n| {
        let mut offer = signal(Kind::Offer, 9, 0, &n.to_string());
        offer.to.clear();
        offer
    });
    let (response, pushes) = test.connect(9, vec![join(A)], offers.collect());
    assert_eq!(response.ext.offers_sent, Some(3));
    let mut targets: Vec<SessionId> = pushes.iter().map(|(to, _)| *to).collect();
    targets.sort_unstable();
    assert_eq!(targets, [1, 2, 3]);
    let (to, Event::Signal(offer)) = &pushes[0] else {
        panic!()
    };
    assert_eq!(offer.to, "");
    // Its receiver may answer, others may not.
    let other = if *to == 1 { 2 } else { 1 };
    assert_eq!(test.relay(signal(Kind::Answer, *to, 9, &offer.oid), *to), Ok(9));
    assert!(
        test.relay(signal(Kind::Answer, other, 9, &offer.oid), other)
            .is_err()
    );
}

#[test]
fn the_track_timer_removes_from_all_swarms() {
    let mut test = Test::with_peers(1..3);
    test.connect(1, vec![join(B)], Vec::new());
    test.now = 50 * SECOND;
    test.connect(2, vec![join(B)], Vec::new());
    assert_eq!(test.find(2, B).unwrap(), ids(&[1]));
    assert!(test.expire(95 * SECOND - 1).is_empty());
    let out = test.expire(95 * SECOND);
    assert!(matches!(
        &out[..],
        [
            Outgoing { to: 1, .. },
            Outgoing {
                to: 1,
                what: Delivery::Close(1000, "track-timeout")
            }
        ]
    ));
    assert_eq!(
        (test.find(2, A).unwrap(), test.find(2, B).unwrap()),
        (ids(&[]), ids(&[]))
    );
    assert_eq!(test.registry.peer_count(), 1);
}

#[test]
fn a_lost_socket_is_not_handed_out_and_then_forgotten() {
    let mut test = Test::with_peers(1..3);
    test.registry.detach(SECOND, 1);
    assert_eq!(test.find(2, A).unwrap(), ids(&[]));
    assert_eq!(
        test.relay(signal(Kind::Offer, 2, 1, "x"), 2),
        Err("no-such-peer".to_owned())
    );
    assert_eq!(test.registry.peer_count(), 2);
    test.expire(16 * SECOND);
    assert_eq!(test.registry.peer_count(), 1);
}

#[test]
fn a_lost_socket_is_resumed() {
    let mut test = Test::with_peers(1..3);
    assert_eq!(test.relay(signal(Kind::Offer, 1, 2, "x"), 1), Ok(2));
    test.registry.detach(SECOND, 1);
    test.now = 10 * SECOND;
    assert!(test.attach(11, 1).is_empty());
    let connect = Connect {
        swarm_action: vec![join(A)],
        ..Connect::default()
    };
    let supports = vec![SUPPORTS_SIGNAL.to_owned()];
    test.request_as(
        11,
        1,
        RequestBody::Connect(connect),
        RequestExt {
            supports,
            ..RequestExt::default()
        },
    );
    test.expire(40 * SECOND);
    assert_eq!(test.find(2, A).unwrap(), ids(&[1]));
    // Even an answer that was under way finds its way.
    assert_eq!(test.relay(signal(Kind::Answer, 2, 1, "x"), 2), Ok(11));
}

#[test]
fn a_newer_session_of_the_same_key_replaces_the_older() {
    let mut test = Test::with_peers(1..3);
    let out = test.attach(11, 1);
    assert!(matches!(
        &out[..],
        [
            Outgoing { to: 1, .. },
            Outgoing {
                to: 1,
                what: Delivery::Close(1000, "replaced")
            }
        ]
    ));
    let find = || {
        RequestBody::Find(Find {
            swarm_id: A.to_owned(),
            peer_num: None,
        })
    };
    assert_eq!(
        test.request_as(1, 1, find(), RequestExt::default()).0.code,
        ErrorCode::AuthenticationRequired
    );
    // The end of the older one's socket does not hurt.
    test.registry.detach(SECOND, 1);
    assert_eq!(test.find(2, A).unwrap(), ids(&[1]));
    assert_eq!(
        test.request_as(11, 1, find(), RequestExt::default()).0.code,
        ErrorCode::NoError
    );
}

#[test]
fn leaving_everything_unregisters_and_joining_again_works() {
    let mut test = Test::with_peers(1..3);
    let leave = connect_action(A, Action::Leave, PeerMode::Leech);
    assert_eq!(
        test.connect(1, vec![leave], Vec::new()).0.code,
        ErrorCode::NoError
    );
    assert!(!test.registry.is_registered(1));
    assert_eq!(test.find(1, A), Err(ErrorCode::Forbidden));
    assert_eq!(
        (test.registry.peer_count(), test.find(2, A).unwrap()),
        (1, ids(&[]))
    );
    test.connect(1, vec![join(A)], Vec::new());
    assert_eq!(test.find(2, A).unwrap(), ids(&[1]));
}

#[test]
fn a_full_tracker_says_so() {
    let mut test = Test::with_peers(0..100);
    test.attach(200, 200);
    let (response, _) = test.connect(200, vec![join(A)], Vec::new());
    assert_eq!(
        (response.code, response.ext.retry_after),
        (ErrorCode::Unavailable, Some(30))
    );
    // Those inside are not affected.
    assert_eq!(
        test.connect(5, vec![join(B)], Vec::new()).0.code,
        ErrorCode::NoError
    );
}

#[test]
fn the_largest_lists_fit_a_frame() {
    let mut test = Test::new();
    let swarms: Vec<String> = (0..64).map(|swarm| format!("{swarm:0130x}")).collect();
    // With as many certificates as there may be, of more than the usual size.
    let certificates = swarms.iter().take(MAX_CERTIFICATES);
    test.certificates = certificates
        .map(|swarm| certificate_of(swarm, &"A".repeat(900)))
        .collect();
    for peer in 0..40 {
        test.attach(peer, peer);
        let connect = Connect {
            swarm_action: swarms.iter().map(|swarm| join(swarm)).collect(),
            ..Connect::default()
        };
        let ext = RequestExt {
            supports: vec![SUPPORTS_SIGNAL.to_owned()],
            status: Some(PeerStatus {
                role: Some(Role::Browser),
                ..PeerStatus::default()
            }),
            ..RequestExt::default()
        };
        let (response, _) = test.request(peer, RequestBody::Connect(connect), ext);
        assert_eq!(
            (
                response.code,
                response.swarm_result.len(),
                response.ext.certs.len()
            ),
            (ErrorCode::NoError, 64, 16)
        );
    }
}

#[test]
fn certificates_are_for_members_only() {
    let mut test = Test::with_peers(1..2);
    test.certificates = vec![certificate_of(A, "AA"), certificate_of(B, "BB")];
    let mut cert = |peer: u64, swarm: &str| {
        let body = RequestBody::Cert(swarm.to_owned());
        let (response, _) = test.request(peer, body, RequestExt::default());
        (response.code, response.ext.certs)
    };
    assert_eq!(cert(1, A), (ErrorCode::NoError, vec![certificate_of(A, "AA")]));
    assert_eq!(cert(1, B), (ErrorCode::Forbidden, Vec::new()));
    assert!(test.registry.is_member(&id(1), A) && !test.registry.is_member(&id(1), B));
    assert!(!test.registry.is_member(&id(9), A));
    // A CONNECT has those of the swarms it joins, one that is refused has none.
    let (response, _) = test.connect(1, vec![join(B)], Vec::new());
    assert_eq!(response.ext.certs, [certificate_of(B, "BB")]);
    let (response, _) = test.connect(1, vec![join(A), join(A)], Vec::new());
    assert_eq!(response.code, ErrorCode::Forbidden);
    assert!(response.ext.certs.is_empty());
    // When none could be made.
    test.certificates.clear();
    let (response, _) = test.request(1, RequestBody::Cert(A.to_owned()), RequestExt::default());
    assert_eq!(response.code, ErrorCode::InternalError);
}

#[test]
fn answers_say_how_large_the_swarm_is() {
    let mut test = Test::with_peers(1..6);
    let members = |response: &Response| response.swarm_result[0].ext.members;
    let (response, _) = test.connect(1, vec![join(B)], Vec::new());
    assert_eq!(members(&response), Some(1));
    let seed = connect_action(A, Action::Join, PeerMode::Seeder);
    let (response, _) = test.connect(2, vec![seed], Vec::new());
    assert_eq!(members(&response), Some(5));
    // Who has lost its socket does not count.
    test.registry.detach(test.now, 3);
    let find = RequestBody::Find(Find {
        swarm_id: A.to_owned(),
        peer_num: None,
    });
    let (response, _) = test.request(1, find, RequestExt::default());
    assert_eq!(members(&response), Some(4));
    let report = RequestBody::StatReport(vec![Stat {
        swarm_id: A.to_owned(),
        ..Stat::default()
    }]);
    let (response, _) = test.request(1, report, RequestExt::default());
    assert_eq!(members(&response), Some(4));
}

#[test]
fn others_learn_the_role_and_nothing_else_of_a_status() {
    let mut test = Test::with_peers(1..3);
    let status = |role: Option<Role>| RequestExt {
        status: Some(PeerStatus {
            role,
            battery: Some(13),
            region: Some("here".to_owned()),
            ..PeerStatus::default()
        }),
        ..RequestExt::default()
    };
    let mut listed = |ext: RequestExt| {
        test.request(1, RequestBody::StatReport(Vec::new()), ext);
        let find = RequestBody::Find(Find {
            swarm_id: A.to_owned(),
            peer_num: None,
        });
        let (mut response, _) = test.request(2, find, RequestExt::default());
        let group = response.swarm_result.remove(0).peer_group.unwrap();
        group.peer_info.into_iter().next().unwrap()
    };
    let info = listed(status(Some(Role::Super)));
    let ext = PeerInfoExt {
        mode: Some(PeerMode::Leech),
        role: Some(Role::Super),
        via: vec!["signal".to_owned()],
    };
    assert_eq!((info.ext, info.peer_addr), (ext.clone(), PeerAddr::private()));
    // What is not said again stays.
    assert_eq!(listed(status(None)).ext, ext);
}

#[test]
fn timers_do_not_pile_up() {
    let mut test = Test::with_peers(1..3);
    for second in 1..1000 {
        test.now = second * SECOND;
        assert!(test.find(1, A).is_ok() && test.find(2, A).is_ok());
        let now = test.now;
        assert!(test.expire(now).is_empty());
    }
    assert!(test.registry.timers.len() <= 4, "{}", test.registry.timers.len());
}

#[test]
fn timers_of_peers_that_come_and_go_do_not_pile_up() {
    let mut test = Test::with_peers(1..3);
    for _ in 0..3 * SPARE_TIMERS {
        test.connect(
            1,
            vec![connect_action(A, Action::Leave, PeerMode::Leech)],
            Vec::new(),
        );
        test.connect(1, vec![join(A)], Vec::new());
        assert!(test.registry.timers.len() <= 2 * 3 + SPARE_TIMERS);
        test.now += SECOND / 10;
    }
    // Those that count are still there.
    let later = test.now + 3600 * SECOND;
    test.expire(later);
    assert_eq!(test.registry.peer_count(), 0);
}

#[test]
fn a_swarm_takes_so_many_requests_of_all_peers() {
    let mut test = Test::with_peers(1..3);
    test.connect(1, vec![join(B)], Vec::new());
    let mut asked = 0;
    while test.find(1, A).is_ok() && test.find(2, A).is_ok() {
        asked += 2;
    }
    assert!((990..=1000).contains(&asked), "{asked}");
    let (response, _) = test.connect(2, vec![join(A), join(B)], Vec::new());
    assert_eq!(
        (
            response.code,
            response.ext.reason.as_deref(),
            response.ext.retry_after
        ),
        (ErrorCode::Unavailable, Some("swarm-busy"), Some(1))
    );
    assert!(!test.registry.is_member(&id(2), B));
    // Other swarms, and reports, are not affected.
    assert!(test.find(1, B).is_ok());
    let report = RequestBody::StatReport(Vec::new());
    assert_eq!(
        test.request(1, report, RequestExt::default()).0.code,
        ErrorCode::NoError
    );
    test.now += SECOND;
    assert!(test.find(1, A).is_ok());
}

#[test]
fn what_is_written_quickly_is_what_is_written() {
    for id in ["1", "", "aZ09", "a\"b", "a b"] {
        let response = Response::ok(id);
        assert_eq!(encode(&response), response.encode().unwrap());
    }
    let told = Response::failed("1", ErrorCode::Forbidden, "no-such-peer");
    assert_eq!(encode(&told), told.encode().unwrap());
}
