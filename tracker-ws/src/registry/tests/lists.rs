//! Lists of peers, what peers tell of themselves, and requests that come by POST.

use super::*;

impl Test {
    /// Posts a request of a peer; returns its answer.
    fn post(&mut self, peer: u64, body: RequestBody, ext: RequestExt) -> Response {
        self.transaction += 1;
        let request = Request {
            transaction_id: self.transaction.to_string(),
            peer_id: id(peer),
            body,
            ext,
        };
        let frame = request.encode().unwrap();
        let from = self.post_from.unwrap_or_else(|| address_of(peer));
        let answer = self
            .registry
            .post(self.now, from, &request, &frame, "nonce", Vec::new());
        let code = answer.code;
        let FromTracker::Response(response) = FromTracker::decode(&answer.frame).unwrap() else {
            panic!("{answer:?}")
        };
        assert_eq!(
            (response.code, response.ext.nonce.as_deref()),
            (code, Some("nonce"))
        );
        response
    }

    fn post_connect(
        &mut self,
        peer: u64,
        swarm_action: Vec<SwarmAction>,
        peer_addr: Vec<PeerAddr>,
    ) -> Response {
        let connect = Connect {
            swarm_action,
            peer_addr,
            ..Connect::default()
        };
        self.post(peer, RequestBody::Connect(connect), RequestExt::default())
    }
}

fn address(last: u8, priority: u64) -> PeerAddr {
    PeerAddr {
        ip_address: IpAddress {
            address_type: AddressType::Ipv4,
            address: format!("192.0.2.{last}"),
        },
        port: 6778,
        priority,
        kind: Some(AddressKind::Host),
        connection: None,
        asn: None,
        peer_protocol: None,
    }
}

fn report_of(ext: StatExt) -> RequestBody {
    RequestBody::StatReport(vec![Stat {
        swarm_id: A.to_owned(),
        ext,
        ..Stat::default()
    }])
}

#[test]
fn addresses_are_listed_best_first() {
    let mut test = Test::with_peers(1..2);
    test.post_connect(2, vec![join(A)], vec![address(1, 5), address(2, 9)]);
    let find = Find {
        swarm_id: A.to_owned(),
        peer_num: None,
    };
    let (response, _) = test.request(1, RequestBody::Find(find), RequestExt::default());
    let listed = &response.swarm_result[0].peer_group.as_ref().unwrap().peer_info;
    let listed: Vec<_> = listed
        .iter()
        .map(|info| (&info.peer_id, &info.peer_addr, &info.ext.via[..]))
        .collect();
    let (other, udp) = (id(2), vec!["udp".to_owned()]);
    assert_eq!(
        listed,
        [
            (&other, &address(2, 9), &udp[..]),
            (&other, &address(1, 5), &udp[..])
        ]
    );
    // The one without a socket finds the one with, which has no address to tell.
    let response = test.post_connect(2, vec![join(B)], Vec::new());
    assert_eq!(response.swarm_result[0].swarm_id, B);
    let find = Find {
        swarm_id: A.to_owned(),
        peer_num: None,
    };
    let response = test.post(2, RequestBody::Find(find), RequestExt::default());
    let listed = &response.swarm_result[0].peer_group.as_ref().unwrap().peer_info;
    assert_eq!(
        (&listed[0].peer_id, &listed[0].peer_addr),
        (&id(1), &PeerAddr::private())
    );
}

#[test]
fn find_near_a_chunk_lists_those_who_have_it() {
    let mut test = Test::with_peers(1..4);
    test.attach(5, 5);
    let seeds = connect_action(A, Action::Join, PeerMode::Seeder);
    test.connect(5, vec![seeds], Vec::new());
    for (peer, range, delta) in [(2, 0..100, false), (3, 100..200, false), (3, 50..60, true)] {
        let map = Some(MapReport {
            first: 0,
            map: ChunkMap::of([range]),
            delta,
        });
        let ext = StatExt {
            map,
            ..StatExt::default()
        };
        let (response, _) = test.request(peer, report_of(ext), RequestExt::default());
        assert_eq!(response.code, ErrorCode::NoError);
    }
    for (near, peers) in [
        (Some(10), &[2, 5][..]),
        (Some(55), &[2, 3, 5]),
        (Some(150), &[3, 5]),
        (Some(200), &[5]),
        (None, &[2, 3, 5]),
    ] {
        let find = RequestBody::Find(Find {
            swarm_id: A.to_owned(),
            peer_num: None,
        });
        let ext = RequestExt {
            near,
            ..RequestExt::default()
        };
        let (response, _) = test.request(1, find, ext);
        let group = response.swarm_result[0].peer_group.as_ref().unwrap();
        let mut listed: Vec<_> = group.peer_info.iter().map(|info| info.peer_id.clone()).collect();
        listed.sort();
        assert_eq!(listed, ids(peers), "{near:?}");
    }
}

#[test]
fn reports_are_kept_while_a_peer_is_a_member_and_told_to_nobody() {
    let mut test = Test::with_peers(1..3);
    let qos = Some(Qos {
        ttff_ms: 640,
        ..Qos::default()
    });
    let ext = StatExt {
        qos: qos.clone(),
        ..StatExt::default()
    };
    let status = PeerStatus {
        role: Some(Role::Super),
        region: Some("a-secret-place".to_owned()),
        ..PeerStatus::default()
    };
    let request_ext = RequestExt {
        status: Some(status.clone()),
        ..RequestExt::default()
    };
    test.request(1, report_of(ext), request_ext);
    assert_eq!(test.registry.report(&id(1), A).unwrap().qos, qos);
    assert_eq!(test.registry.status(&id(1)), Some(&status));
    let find = RequestBody::Find(Find {
        swarm_id: A.to_owned(),
        peer_num: None,
    });
    let text = test.request(2, find, RequestExt::default()).0.encode().unwrap();
    assert!(text.contains("\"role\":\"super\""), "{text}");
    assert!(
        !text.contains("ttff_ms") && !text.contains("a-secret-place"),
        "{text}"
    );
    test.connect(
        1,
        vec![connect_action(A, Action::Leave, PeerMode::Leech), join(B)],
        Vec::new(),
    );
    assert_eq!(test.registry.report(&id(1), A), None);
}

#[test]
fn posted_requests_keep_a_peer_alive_without_a_socket() {
    let mut test = Test::with_peers(1..2);
    test.post_connect(2, vec![join(A)], vec![address(2, 1)]);
    assert_eq!(test.find(1, A), Ok(ids(&[2])));
    test.now = 90 * SECOND;
    assert_eq!(test.find(1, A), Ok(ids(&[2])));
    let response = test.post(2, RequestBody::StatReport(Vec::new()), RequestExt::default());
    assert_eq!(response.code, ErrorCode::NoError);
    test.expire(184 * SECOND);
    assert_eq!(test.find(1, A), Ok(ids(&[2])));
    // The track timer, at last.
    test.expire(185 * SECOND);
    assert_eq!(test.registry.peer_count(), 1);
    let response = test.post(2, RequestBody::StatReport(Vec::new()), RequestExt::default());
    assert_eq!(response.code, ErrorCode::Forbidden);
    assert_eq!(test.registry.peer_count(), 1);
}

#[test]
fn a_peer_that_lost_its_socket_may_go_on_without_one() {
    let mut test = Test::with_peers(1..2);
    test.attach(2, 2);
    let connect = Connect {
        swarm_action: vec![join(A)],
        peer_addr: vec![address(2, 1)],
        ..Connect::default()
    };
    let ext = RequestExt {
        supports: vec![SUPPORTS_SIGNAL.to_owned()],
        ..RequestExt::default()
    };
    test.request(2, RequestBody::Connect(connect), ext);
    test.registry.detach(test.now, 2);
    assert_eq!(test.find(1, A), Ok(Vec::new()));
    let response = test.post(2, RequestBody::StatReport(Vec::new()), RequestExt::default());
    assert_eq!(response.code, ErrorCode::NoError);
    assert_eq!(test.find(1, A), Ok(ids(&[2])));
    test.expire(20 * SECOND);
    assert_eq!(test.registry.peer_count(), 2);
    // Nothing is pushed to it any more.
    assert_eq!(
        test.relay(signal(Kind::Offer, 1, 2, "x"), 1),
        Err("no-such-peer".to_owned())
    );
}

#[test]
fn nothing_is_pushed_for_posted_requests() {
    let mut test = Test::with_peers(1..2);
    let mut offer = signal(Kind::Offer, 2, 1, "x");
    offer.to.clear();
    let ext = RequestExt {
        offers: vec![offer],
        supports: vec![SUPPORTS_SIGNAL.to_owned()],
        ..RequestExt::default()
    };
    let body = RequestBody::Connect(Connect {
        swarm_action: vec![join(A)],
        ..Connect::default()
    });
    let response = test.post(2, body, ext);
    assert_eq!(
        (response.code, response.ext.offers_sent),
        (ErrorCode::NoError, None)
    );
    let body = RequestBody::Signal(Box::new(signal(Kind::Offer, 2, 1, "x")));
    let response = test.post(2, body, RequestExt::default());
    assert_eq!(response.ext.reason.as_deref(), Some("signals-need-a-socket"));
    assert_eq!(
        test.relay(signal(Kind::Offer, 1, 2, "y"), 1),
        Err("no-such-peer".to_owned())
    );
}

#[test]
fn posted_requests_have_a_rate_of_their_peer() {
    let mut test = Test::new();
    test.post_connect(1, vec![join(A)], Vec::new());
    let mut post = |peer| {
        let response = test.post(peer, RequestBody::StatReport(Vec::new()), RequestExt::default());
        (response.code, response.ext.retry_after)
    };
    let answers: Vec<_> = (0..40).map(|_| post(1)).collect();
    assert!(answers[..29].iter().all(|(code, _)| *code == ErrorCode::NoError));
    assert!(
        answers[29..]
            .iter()
            .all(|answer| *answer == (ErrorCode::Unavailable, Some(1)))
    );
    assert_eq!(post(2).0, ErrorCode::Forbidden);
}

#[test]
fn a_repeated_last_leave_is_answered_by_both_faces() {
    for face in [Face::WebSocket, Face::Post] {
        let mut test = Test::with_peers(1..2);
        let request = Request {
            transaction_id: "last".to_owned(),
            peer_id: id(1),
            body: RequestBody::Connect(Connect {
                swarm_action: vec![connect_action(A, Action::Leave, PeerMode::Leech)],
                ..Connect::default()
            }),
            ext: RequestExt {
                auth: Some(Auth {
                    key: "key".to_owned(),
                    sig: "sig".to_owned(),
                    token: None,
                    nonce: (face == Face::Post).then(|| "nonce".to_owned()),
                }),
                ..RequestExt::default()
            },
        };
        let frame = request.encode().unwrap();
        let mut ask = |now| match face {
            Face::Post => match test.registry.repeated(now, &request, &frame) {
                Some(answer) => (ErrorCode::NoError, answer),
                None => {
                    let answer =
                        test.registry
                            .post(now, address_of(1), &request, &frame, "nonce", Vec::new());
                    (answer.code, answer.frame)
                }
            },
            Face::WebSocket => {
                let mut out = Vec::new();
                let (code, _) = test
                    .registry
                    .request(now, 1, &request, &frame, Vec::new(), &mut out);
                let Some(Outgoing {
                    what: Delivery::Frame(answer),
                    ..
                }) = out.pop()
                else {
                    panic!("{out:?}")
                };
                (code, answer)
            }
        };
        let first = ask(0);
        assert_eq!(first.0, ErrorCode::NoError);
        assert_eq!(ask(59 * SECOND), first);
        assert_eq!(ask(60 * SECOND).0, ErrorCode::Forbidden);
        assert_eq!(test.registry.peer_count(), 0);
    }
}

#[test]
fn the_largest_addresses_fit_a_frame() {
    let mut test = Test::new();
    let swarms: Vec<String> = (0..64).map(|index| format!("{index:0260x}")).collect();
    let long = |last: u8| PeerAddr {
        ip_address: IpAddress {
            address_type: AddressType::Ipv6,
            address: format!("2001:db8:1111:2222:3333:4444:5555:66{last:02x}"),
        },
        port: 65_535,
        priority: u64::from(u32::MAX),
        kind: Some(AddressKind::Reflexive),
        connection: Some(tracker_protocol::Connection::Wireless),
        asn: Some("x".repeat(32)),
        peer_protocol: Some("x".repeat(32)),
    };
    for peer in 1..95 {
        let joins = swarms
            .iter()
            .map(|swarm| connect_action(swarm, Action::Join, PeerMode::Seeder));
        let addresses = (0..4).map(long).collect();
        let body = RequestBody::Connect(Connect {
            swarm_action: joins.collect(),
            peer_addr: addresses,
            peer_num: Some(PeerNum {
                peer_count: Some(29),
                ..PeerNum::default()
            }),
        });
        let response = test.post(peer, body, RequestExt::default());
        assert_eq!(response.code, ErrorCode::NoError);
    }
    let find = RequestBody::Find(Find {
        swarm_id: swarms[0].clone(),
        peer_num: Some(PeerNum {
            peer_count: Some(29),
            ..PeerNum::default()
        }),
    });
    test.post_connect(95, vec![join(&swarms[0])], Vec::new());
    let response = test.post(95, find, RequestExt::default());
    let listed = &response.swarm_result[0].peer_group.as_ref().unwrap().peer_info;
    assert_eq!(listed.len(), 87);
    let peers: std::collections::BTreeSet<_> = listed.iter().map(|info| &info.peer_id).collect();
    assert_eq!(peers.len(), 29);
}

#[test]
fn peers_that_cannot_be_reached_are_not_listed() {
    let mut test = Test::with_peers(1..2);
    test.attach(2, 2);
    let connect = |peer_addr| {
        RequestBody::Connect(Connect {
            swarm_action: vec![join(A)],
            peer_addr,
            ..Connect::default()
        })
    };
    test.request(2, connect(Vec::new()), RequestExt::default());
    assert_eq!(test.find(1, A), Ok(Vec::new()));
    let portless = PeerAddr {
        port: 0,
        ..address(2, 1)
    };
    test.request(2, connect(vec![portless]), RequestExt::default());
    assert_eq!(test.find(1, A), Ok(Vec::new()));
    test.request(2, connect(vec![address(2, 1)]), RequestExt::default());
    assert_eq!(test.find(1, A), Ok(ids(&[2])));
}

#[test]
fn seeders_are_told_of_leeches_only() {
    let mut test = Test::with_peers(1..2);
    for seeder in [2, 3] {
        test.attach(seeder, seeder);
        let seeds = connect_action(A, Action::Join, PeerMode::Seeder);
        test.connect(seeder, vec![seeds], Vec::new());
    }
    assert_eq!(test.find(1, A), Ok(ids(&[2, 3])));
    assert_eq!(test.find(2, A), Ok(ids(&[1])));
}

#[test]
fn where_a_connection_comes_from_counts_and_is_told_to_nobody() {
    let mut test = Test::new();
    let address = IpAddr::from([203, 0, 113, 77]);
    for peer in 1..20 {
        test.registry.attach(0, peer, address, &id(peer), &mut Vec::new());
        test.connect(peer, vec![join(A)], Vec::new());
    }
    for peer in 20..30 {
        test.attach(peer, peer);
        test.connect(peer, vec![join(A)], Vec::new());
    }
    for _ in 0..50 {
        let find = RequestBody::Find(Find {
            swarm_id: A.to_owned(),
            peer_num: Some(PeerNum {
                peer_count: Some(8),
                ..PeerNum::default()
            }),
        });
        let response = test.request(25, find, RequestExt::default()).0;
        assert!(!response.encode().unwrap().contains("203.0.113"));
        let listed = &response.swarm_result[0].peer_group.as_ref().unwrap().peer_info;
        let of_block = (1..20)
            .map(id)
            .filter(|id| listed.iter().any(|info| info.peer_id == *id));
        assert_eq!((listed.len(), of_block.count() <= 2), (8, true));
    }
}

/// 5 in each of PID1's blocks, 5 in PID2's, 60 in PID3, by the map of RFC 7285's example.
#[test]
fn near_peers_come_first_by_an_alto_map() {
    let document = |name, text| crate::cost_map::Document { name, text };
    let costs = CostMap::parse(
        document("network", include_str!("../../../tests/alto/network-map.json")),
        document("costs", include_str!("../../../tests/alto/cost-map.json")),
    );
    let costs = Arc::new(costs.unwrap());
    let address = |peer: u64| {
        let last = u8::try_from(peer).unwrap();
        IpAddr::from(match peer {
            0..5 => [192, 0, 2, last],
            5..10 => [198, 51, 100, last],
            10..15 => [198, 51, 100, 128 + last],
            _ => [203, 0, last, 1],
        })
    };
    let mut test = Test::new();
    for peer in 0..75 {
        test.registry
            .attach(0, peer, address(peer), &id(peer), &mut Vec::new());
        test.connect(peer, vec![join(A)], Vec::new());
    }
    let find = || {
        RequestBody::Find(Find {
            swarm_id: A.to_owned(),
            peer_num: Some(PeerNum {
                peer_count: Some(8),
                ..PeerNum::default()
            }),
        })
    };
    let groups = |test: &mut Test, asker: u64| {
        let (mut first, mut listed) = ([0; 3], [0; 3]);
        for _ in 0..200 {
            let response = match asker {
                0 | 20 => test.request(asker, find(), RequestExt::default()).0,
                _ => {
                    test.now += SECOND;
                    test.post(asker, find(), RequestExt::default())
                }
            };
            let infos = &response.swarm_result[0].peer_group.as_ref().unwrap().peer_info;
            assert_eq!(infos.len(), 8);
            for (place, info) in infos.iter().enumerate() {
                let peer = (0..75).find(|peer| id(*peer) == info.peer_id).unwrap();
                let group = match peer {
                    0..10 => 0,
                    10..15 => 1,
                    _ => 2,
                };
                listed[group] += 1;
                first[group] += usize::from(place == 0);
            }
        }
        (first, listed)
    };
    // Without a map a first place is one of PID1's in 9 of 74 cases.
    let (first, _) = groups(&mut test, 0);
    assert!(first[0] < 60, "{first:?}");
    // Peers are looked up when they are drawn: nobody waits until all are.
    let located = |test: &Test| {
        let Registry { peers, costs, .. } = &test.registry;
        peers
            .values()
            .filter(|entry| costs.knows(&entry.location))
            .count()
    };
    assert!(test.registry.set_cost_map(Some(costs.clone())).is_none());
    assert_eq!(located(&test), 0);
    test.request(0, find(), RequestExt::default());
    let drawn = crate::selection::draws(8);
    assert!((8..=drawn + 1).contains(&located(&test)), "{}", located(&test));
    // To PID3, too, traffic costs least from PID1: the other way it would cost the most.
    for asker in [0, 20] {
        let (first, listed) = groups(&mut test, asker);
        assert!(first[0] > 140, "{asker}: {first:?}");
        // Two of each block and no more, which is why the rest is from farther away.
        assert!(listed[0] > 500 && listed[0] <= 800, "{asker}: {listed:?}");
    }
    // One that posts from 192.0.2.99.
    test.post_from = Some(IpAddr::from([192, 0, 2, 99]));
    test.post_connect(75, vec![join(A)], Vec::new());
    let (first, _) = groups(&mut test, 75);
    assert!(first[0] > 140, "{first:?}");
    let former = test.registry.set_cost_map(None);
    assert!(former.is_some_and(|former| Arc::ptr_eq(&former, &costs)));
    let (first, _) = groups(&mut test, 0);
    assert!(first[0] < 60, "{first:?}");
}
