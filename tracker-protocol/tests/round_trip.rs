//! Property tests: what is written is read back the same, and reading never panics.

use proptest::prelude::*;
use tracker_protocol::*;

fn hex_id() -> impl Strategy<Value = String> {
    any::<[u8; 32]>().prop_map(|bytes| to_hex(&bytes))
}

fn text() -> impl Strategy<Value = String> {
    proptest::collection::vec(any::<char>(), 1..40).prop_map(|chars| chars.into_iter().collect())
}

/// Numbers a browser writes exactly.
fn number() -> impl Strategy<Value = u64> {
    0..=9_007_199_254_740_992_u64
}

fn mode() -> impl Strategy<Value = PeerMode> {
    prop_oneof![Just(PeerMode::Seeder), Just(PeerMode::Leech)]
}

fn signal(to: impl Strategy<Value = String>) -> impl Strategy<Value = Signal> {
    let kinds = prop_oneof![
        Just(Kind::Offer),
        Just(Kind::Answer),
        Just(Kind::Candidate),
        Just(Kind::End),
        Just(Kind::Bye)
    ];
    let option = || proptest::option::of("[A-Za-z0-9_-]{0,100}");
    let profile = proptest::option::of((
        "[a-z/0-9]{0,9}",
        proptest::collection::vec(any::<u16>(), 0..4),
        number(),
    ));
    let members = (
        kinds,
        hex_id(),
        hex_id(),
        to,
        "[A-Za-z0-9_-]{22}",
        number(),
        number(),
    );
    (members, text(), profile, option(), option(), option()).prop_map(
        |(members, payload, prof, key, sig, reason)| {
            let (kind, swarm, from, to, oid, n, ts) = members;
            let mut signal = Signal::new(kind, &swarm, &from, &to, &oid, n, ts);
            match kind {
                Kind::Offer | Kind::Answer => signal.sdp = Some(payload),
                Kind::Candidate => signal.cand = Some(payload),
                Kind::End | Kind::Bye => {}
            }
            signal.prof = prof.map(|(proto, ch, mms)| Profile { proto, ch, mms });
            (signal.key, signal.sig, signal.reason) = (key, sig, reason);
            signal
        },
    )
}

fn address() -> impl Strategy<Value = PeerAddr> {
    let kind = prop_oneof![
        Just(AddressKind::Host),
        Just(AddressKind::Reflexive),
        Just(AddressKind::Proxy)
    ];
    let connection = proptest::option::of(prop_oneof![Just(Connection::Wired), Just(Connection::Wireless)]);
    (
        text(),
        any::<bool>(),
        any::<u16>(),
        number(),
        kind,
        connection,
        proptest::option::of(text()),
    )
        .prop_map(|(address, v4, port, priority, kind, connection, asn)| PeerAddr {
            ip_address: IpAddress {
                address_type: if v4 { AddressType::Ipv4 } else { AddressType::Ipv6 },
                address,
            },
            port: u64::from(port),
            priority,
            kind: Some(kind),
            connection,
            asn,
            peer_protocol: None,
        })
}

fn peer_num() -> impl Strategy<Value = Option<PeerNum>> {
    let nat = proptest::option::of(prop_oneof![
        Just(AbilityNat::NoNat),
        Just(AbilityNat::Stun),
        Just(AbilityNat::Turn)
    ]);
    let option = || proptest::option::of(number());
    proptest::option::of((option(), nat, option(), option(), option()).prop_map(
        |(peer_count, ability_nat, concurrent_links, online_time, upload_bandwidth)| PeerNum {
            peer_count,
            ability_nat,
            concurrent_links,
            online_time,
            upload_bandwidth,
        },
    ))
}

fn map_report() -> impl Strategy<Value = MapReport> {
    let ranges = proptest::collection::vec((0..5000_u64, 1..900_u64), 0..9);
    (0..3000_u64, ranges, any::<bool>()).prop_map(|(first, ranges, delta)| {
        let map = ChunkMap::of(ranges.into_iter().map(|(start, len)| start..start + len));
        MapReport {
            first,
            map: map.written_from(first),
            delta,
        }
    })
}

/// One that a tracker takes: its text is canonical.
fn own_address() -> impl Strategy<Value = PeerAddr> {
    let ip = prop_oneof![
        any::<std::net::Ipv4Addr>().prop_map(std::net::IpAddr::from),
        any::<std::net::Ipv6Addr>().prop_map(std::net::IpAddr::from),
    ];
    let asn = proptest::option::of("[0-9]{1,10}");
    (address(), ip, any::<u32>(), asn).prop_map(|(mut address, ip, priority, asn)| {
        let v4 = ip.is_ipv4();
        address.ip_address = IpAddress {
            address_type: if v4 { AddressType::Ipv4 } else { AddressType::Ipv6 },
            address: ip.to_string(),
        };
        address.priority = u64::from(priority);
        address.asn = asn;
        address
    })
}

fn stat() -> impl Strategy<Value = Stat> {
    (
        hex_id(),
        [number(), number(), number(), number()],
        proptest::option::of([number(), number(), number()]),
        proptest::option::of(map_report()),
    )
        .prop_map(
            |(
                swarm_id,
                [
                    uploaded_bytes,
                    downloaded_bytes,
                    available_bandwidth,
                    concurrent_links,
                ],
                qos,
                map,
            )| {
                let qos = qos.map(|[ttff_ms, stalls, host]| Qos {
                    ttff_ms,
                    stalls,
                    cand: CandidateTypes {
                        host,
                        ..CandidateTypes::default()
                    },
                    ..Qos::default()
                });
                Stat {
                    swarm_id,
                    uploaded_bytes,
                    downloaded_bytes,
                    available_bandwidth,
                    concurrent_links,
                    ext: StatExt { qos, map },
                }
            },
        )
}

fn role() -> impl Strategy<Value = Option<Role>> {
    proptest::option::of(proptest::sample::select(vec![
        Role::Browser,
        Role::Native,
        Role::Super,
        Role::Cache,
        Role::Cdn,
        Role::Proxy,
        Role::Origin,
    ]))
}

fn status() -> impl Strategy<Value = PeerStatus> {
    let link = proptest::option::of(proptest::sample::select(vec![
        LinkKind::Ethernet,
        LinkKind::Wifi,
        LinkKind::Cellular,
        LinkKind::Unknown,
    ]));
    let power = proptest::option::of(prop_oneof![Just(Power::Mains), Just(Power::Battery)]);
    let option = || proptest::option::of(number());
    let battery = proptest::option::of(0..=100_u64);
    let saver = proptest::option::of(any::<bool>());
    let region = proptest::option::of("[a-z ü]{0,16}");
    let loss = proptest::option::of(0..=1_000_000_u64);
    (
        role(),
        link,
        power,
        battery,
        saver,
        option(),
        option(),
        region,
        loss,
    )
        .prop_map(
            |(role, link, power, battery, saver, up_kbps, slots, region, loss_ppm)| PeerStatus {
                role,
                link,
                power,
                battery,
                saver,
                up_kbps,
                slots,
                region,
                loss_ppm,
            },
        )
}

fn aux_frame() -> impl Strategy<Value = AuxFrame> {
    prop_oneof![
        status().prop_map(AuxFrame::Status),
        signal(hex_id()).prop_map(|signal| AuxFrame::Relay {
            swarm: signal.swarm.clone(),
            signal: Box::new(signal),
        }),
    ]
}

fn body() -> impl Strategy<Value = RequestBody> {
    let action = (hex_id(), any::<bool>(), mode()).prop_map(|(swarm_id, join, peer_mode)| SwarmAction {
        swarm_id,
        action: if join { Action::Join } else { Action::Leave },
        peer_mode,
    });
    let actions = proptest::collection::vec(action, 1..5);
    let connect = (
        peer_num(),
        proptest::collection::vec(own_address(), 0..3),
        actions,
    )
        .prop_map(|(peer_num, peer_addr, swarm_action)| Connect {
            peer_num,
            peer_addr,
            swarm_action,
        });
    prop_oneof![
        connect.prop_map(RequestBody::Connect),
        (hex_id(), peer_num())
            .prop_map(|(swarm_id, peer_num)| RequestBody::Find(Find { swarm_id, peer_num })),
        proptest::collection::vec(stat(), 0..4).prop_map(RequestBody::StatReport),
        signal(hex_id()).prop_map(|signal| RequestBody::Signal(Box::new(signal))),
        hex_id().prop_map(RequestBody::Cert),
    ]
}

fn batch_offer() -> impl Strategy<Value = Signal> {
    signal(Just("x".to_owned())).prop_map(|mut signal| {
        signal.sdp.get_or_insert_with(|| "v=0".to_owned());
        Signal {
            kind: Kind::Offer,
            to: String::new(),
            ..signal
        }
    })
}

fn request() -> impl Strategy<Value = Request> {
    let auth = proptest::option::of((
        text(),
        text(),
        proptest::option::of(text()),
        proptest::option::of(text()),
    ));
    let auth = auth.prop_map(|auth| {
        auth.map(|(key, sig, token, nonce)| Auth {
            key,
            sig,
            token,
            nonce,
        })
    });
    let list = || proptest::collection::vec(text(), 0..3);
    let ext = (
        list(),
        auth,
        proptest::collection::vec(batch_offer(), 0..3),
        list(),
        list(),
        proptest::option::of(status()),
        proptest::option::of(number()),
    )
        .prop_map(
            |(supports, auth, offers, exclude, want, status, near)| RequestExt {
                supports,
                auth,
                offers,
                exclude,
                want,
                status,
                near,
            },
        );
    ("[ -~]{0,64}", text(), body(), ext).prop_map(|(transaction_id, peer_id, body, ext)| Request {
        transaction_id,
        peer_id,
        body,
        ext,
    })
}

fn response() -> impl Strategy<Value = Response> {
    let info = (
        text(),
        address(),
        proptest::option::of(mode()),
        role(),
        proptest::collection::vec(text(), 0..2),
    )
        .prop_map(|(peer_id, peer_addr, mode, role, via)| PeerInfo {
            peer_id,
            peer_addr,
            ext: PeerInfoExt { mode, role, via },
        });
    let group = proptest::collection::vec(info, 0..4).prop_map(|peer_info| PeerGroup { peer_info });
    let result = (
        hex_id(),
        0..2_u64,
        proptest::option::of(group),
        proptest::option::of(number()),
    )
        .prop_map(|(swarm_id, result, peer_group, members)| SwarmResult {
            swarm_id,
            result,
            peer_group,
            ext: SwarmResultExt { members },
        });
    let option = || proptest::option::of(number());
    let certificate = (hex_id(), text(), number()).prop_map(|(swarm_id, cert, expires)| IssuedCertificate {
        swarm_id,
        cert,
        expires,
    });
    let ext = (
        proptest::option::of(text()),
        option(),
        option(),
        option(),
        option(),
        proptest::option::of(text()),
        proptest::collection::vec(certificate, 0..3),
    )
        .prop_map(
            |(reason, retry_after, interval, track_timeout, offers_sent, nonce, certs)| ResponseExt {
                reason,
                retry_after,
                interval,
                track_timeout,
                offers_sent,
                nonce,
                certs,
            },
        );
    let results = proptest::collection::vec(result, 0..3);
    (text(), 0..=6_u64, proptest::option::of(address()), results, ext).prop_map(
        |(mut transaction_id, code, peer_addr, swarm_result, ext)| {
            while transaction_id.len() > MAX_TRANSACTION_ID {
                transaction_id.pop();
            }
            let code = ErrorCode::from_number(code).unwrap();
            Response {
                transaction_id,
                code,
                peer_addr,
                swarm_result,
                ext,
            }
        },
    )
}

fn event() -> impl Strategy<Value = Event> {
    let option = || proptest::option::of(number());
    prop_oneof![
        (
            text(),
            number(),
            proptest::collection::vec(text(), 0..3),
            number(),
            proptest::option::of(text())
        )
            .prop_map(|(nonce, time, supports, frame, tracker_key)| {
                let limits = Limits {
                    frame,
                    ..Limits::default()
                };
                Event::Hello(Hello {
                    nonce,
                    time,
                    supports,
                    limits,
                    tracker_key,
                })
            }),
        signal(hex_id()).prop_map(|signal| Event::Signal(Box::new(signal))),
        (option(), option(), proptest::option::of(text())).prop_map(
            |(interval, track_timeout, reconnect)| {
                Event::Config(Config {
                    interval,
                    track_timeout,
                    reconnect,
                })
            }
        ),
        (0..=6_u64, option(), proptest::option::of(text())).prop_map(|(code, retry_after, reason)| {
            Event::Bye(Bye {
                code: ErrorCode::from_number(code).unwrap(),
                retry_after,
                reason,
            })
        }),
    ]
}

proptest! {
    #[test]
    fn requests(request in request()) {
        let frame = request.encode().unwrap();
        prop_assert_eq!(Request::decode(&frame).unwrap(), request);
    }

    #[test]
    fn responses(response in response()) {
        let message = FromTracker::Response(response);
        prop_assert_eq!(FromTracker::decode(&message.encode().unwrap()).unwrap(), message);
    }

    #[test]
    fn events(event in event()) {
        let message = FromTracker::Event(event);
        prop_assert_eq!(FromTracker::decode(&message.encode().unwrap()).unwrap(), message);
    }

    #[test]
    fn aux_frames(frame in aux_frame()) {
        prop_assert_eq!(AuxFrame::decode(&frame.encode().unwrap()).unwrap(), frame);
    }

    #[test]
    fn cut_and_changed_frames_never_panic(request in request(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = request.encode().unwrap().into_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        for text in [String::from_utf8_lossy(&bytes), String::from_utf8_lossy(&bytes[..at])] {
            let _ = Request::decode(&text);
            let _ = FromTracker::decode(&text);
            let _ = AuxFrame::decode(&text);
        }
    }
}
