//! The rows of tracker-protocol.md §4.3 and the timers of §5, on virtual time.

mod certificates;
mod finds;
mod reports;
mod tokens;

use super::*;
use crate::{
    Hello, IssuedCertificate, Kind, PeerAddr, PeerGroup, PeerInfo, PeerInfoExt, ResponseExt, Role,
    SwarmResult, SwarmResultExt,
};

const A: &str = "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";
const B: &str = "0d6c4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";
const START: Timestamp = 1_700_000_000 * SECOND;

struct Test {
    client: Client,
    now: Timestamp,
}

impl Test {
    fn new(tiers: &[&[&str]]) -> Self {
        let tiers = tiers
            .iter()
            .map(|tier| tier.iter().map(ToString::to_string).collect())
            .collect();
        let client = Client::new(ClientConfig::new(tiers, vec![13; 65], 7));
        Self { client, now: START }
    }

    fn input(&mut self, input: Input) -> &mut Self {
        self.client.handle(self.now, input);
        self
    }

    fn poll(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.client.poll_output()).collect()
    }

    /// Lets time pass to the next timer. A report that is due has no statistics.
    fn wait(&mut self) -> Vec<Output> {
        self.now = self.client.poll_timeout().expect("a timer");
        let mut outputs = self.input(Input::Timeout).poll();
        if outputs.contains(&Output::ReportDue) {
            outputs.retain(|output| *output != Output::ReportDue);
            outputs.extend(self.input(Input::Stats(Vec::new())).poll());
        }
        outputs
    }

    fn join(&mut self, swarm: &str, mode: PeerMode) -> &mut Self {
        self.input(Input::Join {
            swarm: swarm.to_owned(),
            mode,
        })
    }

    fn event(&mut self, event: Event) -> &mut Self {
        self.input(Input::Frame(event.encode().unwrap()))
    }

    fn respond(&mut self, response: Response) -> &mut Self {
        self.input(Input::Frame(response.encode().unwrap()))
    }

    /// Socket, HELLO, signature; returns the CONNECT.
    fn handshake(&mut self) -> Request {
        self.input(Input::SocketOpen);
        let hello = Hello {
            nonce: crate::encode_base64url(&[7; 32]),
            time: self.now / 1000,
            ..Hello::default()
        };
        let outputs = self.event(Event::Hello(hello)).poll();
        let [Output::SignAuth { attempt, bytes }] = &outputs[..] else {
            panic!("{outputs:?}")
        };
        assert_eq!(bytes.len(), 20 + 4 * 32);
        let attempt = *attempt;
        let outputs = self
            .input(Input::AuthSigned {
                attempt,
                sig: vec![1; 64],
            })
            .poll();
        only_request(&outputs)
    }

    /// Everything up to JOINED in swarm A.
    fn joined() -> Self {
        let mut test = Self::new(&[&["ws://t.example/ppsp"]]);
        let outputs = test.join(A, PeerMode::Leech).poll();
        assert_eq!(outputs, [Output::Open("ws://t.example/ppsp".to_owned())]);
        let connect = test.handshake();
        let outputs = test.respond(Response::ok(&connect.transaction_id)).poll();
        assert_eq!(
            outputs,
            [Output::Joined {
                url: "ws://t.example/ppsp".to_owned(),
                tracker_key: None,
            }]
        );
        assert_eq!(test.client.status(), Status::Joined);
        test
    }
}

fn requests(outputs: &[Output]) -> Vec<Request> {
    let frame = |output: &Output| match output {
        Output::Send(frame) => Some(Request::decode(frame).unwrap()),
        _ => None,
    };
    outputs.iter().filter_map(frame).collect()
}

fn only_request(outputs: &[Output]) -> Request {
    let mut requests = requests(outputs);
    assert_eq!((requests.len(), outputs.len()), (1, 1), "{outputs:?}");
    requests.remove(0)
}

fn actions(request: &Request) -> Vec<(Action, &str)> {
    let RequestBody::Connect(connect) = &request.body else {
        panic!("{request:?}")
    };
    connect
        .swarm_action
        .iter()
        .map(|action| (action.action, action.swarm_id.as_str()))
        .collect()
}

fn listed(id: &str, peers: &[&str]) -> Response {
    let peer = |peer: &&str| PeerInfo {
        peer_id: (*peer).to_owned(),
        peer_addr: PeerAddr::private(),
        ext: PeerInfoExt::default(),
    };
    let group = PeerGroup {
        peer_info: peers.iter().map(peer).collect(),
    };
    let result = SwarmResult {
        swarm_id: A.to_owned(),
        result: 0,
        peer_group: Some(group),
        ext: SwarmResultExt::default(),
    };
    Response {
        swarm_result: vec![result],
        ..Response::ok(id)
    }
}

#[test]
fn joins_with_proof_and_passes_peers_on() {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.join(A, PeerMode::Leech).poll();
    let connect = test.handshake();
    assert_eq!(actions(&connect), [(Action::Join, A)]);
    assert!(connect.ext.auth.is_some() && connect.ext.supports.contains(&"signal/1".to_owned()));
    assert!(connect.ext.supports.contains(&"config/1".to_owned()));
    let own = test.client.peer_id().to_owned();
    let outputs = test
        .respond(listed(&connect.transaction_id, &["aa", &own, "bb", "aa"]))
        .poll();
    let [Output::Joined { .. }, Output::Peers { swarm, peers }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(swarm, A);
    // Ourselves and repetitions are left out.
    assert_eq!(
        peers.iter().map(|peer| peer.peer_id.as_str()).collect::<Vec<_>>(),
        ["aa", "bb"]
    );
}

#[test]
fn repeats_identically_then_gives_the_socket_up() {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.join(A, PeerMode::Leech).poll();
    let connect = test.handshake().encode().unwrap();
    for repeat in 1..=2 {
        let before = test.now;
        assert_eq!(test.wait(), [Output::Send(connect.clone())], "repeat {repeat}");
        assert_eq!(test.now - before, 8 * SECOND);
    }
    let outputs = test.wait();
    assert!(
        matches!(&outputs[..], [Output::Close, Output::Lost { .. }]),
        "{outputs:?}"
    );
    assert_eq!(test.client.status(), Status::Reconnect);
}

#[test]
fn answers_to_nothing_are_ignored() {
    let mut test = Test::joined();
    assert!(test.respond(listed("99", &["aa"])).poll().is_empty());
    assert!(
        test.respond(Response::failed("x", ErrorCode::InternalError, ""))
            .poll()
            .is_empty()
    );
}

#[test]
fn channel_switch_is_one_request() {
    let mut test = Test::joined();
    test.input(Input::Leave { swarm: A.to_owned() });
    let connect = only_request(&test.join(B, PeerMode::Leech).poll());
    assert_eq!(actions(&connect), [(Action::Leave, A), (Action::Join, B)]);
    assert!(connect.ext.auth.is_none());
}

#[test]
fn completing_the_download_changes_the_mode() {
    let mut test = Test::joined();
    let connect = only_request(&test.join(A, PeerMode::Seeder).poll());
    let RequestBody::Connect(connect) = connect.body else {
        panic!()
    };
    assert_eq!(
        connect.swarm_action,
        [crate::connect_action(A, Action::Join, PeerMode::Seeder)]
    );
    assert_eq!(connect.peer_num, None);
}

#[test]
fn only_one_connect_is_under_way() {
    let mut test = Test::joined();
    let connect = only_request(&test.join(B, PeerMode::Leech).poll());
    assert!(test.input(Input::Leave { swarm: A.to_owned() }).poll().is_empty());
    let next = only_request(&test.respond(Response::ok(&connect.transaction_id)).poll());
    assert_eq!(actions(&next), [(Action::Leave, A)]);
}

#[test]
fn leaving_the_last_swarm_closes() {
    let mut test = Test::joined();
    let connect = only_request(&test.input(Input::Leave { swarm: A.to_owned() }).poll());
    let outputs = test.respond(Response::ok(&connect.transaction_id)).poll();
    assert_eq!(outputs, [Output::Close]);
    assert_eq!(
        (test.client.status(), test.client.poll_timeout()),
        (Status::Idle, None)
    );
}

#[test]
fn closing_the_page_says_leave() {
    let mut test = Test::joined();
    let outputs = test.input(Input::Close).poll();
    assert_eq!(actions(&requests(&outputs)[0]), [(Action::Leave, A)]);
    assert_eq!(outputs[1..], [Output::Close]);
    assert_eq!(test.client.status(), Status::Idle);
}

#[test]
fn a_lost_tracker_is_tried_again_with_all_swarms() {
    let mut test = Test::joined();
    let connect = only_request(&test.join(B, PeerMode::Seeder).poll());
    test.respond(Response::ok(&connect.transaction_id)).poll();
    let outputs = test
        .input(Input::SocketClosed {
            reason: "gone".to_owned(),
        })
        .poll();
    assert!(matches!(&outputs[..], [Output::Lost { reason, .. }] if reason == "gone"));
    let before = test.now;
    assert_eq!(test.wait(), [Output::Open("ws://t.example/ppsp".to_owned())]);
    assert!(test.now - before <= SECOND);
    let connect = test.handshake();
    assert_eq!(actions(&connect), [(Action::Join, B), (Action::Join, A)]);
    assert!(connect.ext.auth.is_some());
}

#[test]
fn goes_through_the_tiers() {
    let mut test = Test::new(&[&["ws://a/", "ws://b/"], &["ws://c/"]]);
    let mut opened = Vec::new();
    let mut outputs = test.join(A, PeerMode::Leech).poll();
    for _ in 0..6 {
        let url = outputs.iter().find_map(|output| match output {
            Output::Open(url) => Some(url.clone()),
            _ => None,
        });
        opened.push(url.unwrap());
        test.input(Input::SocketClosed {
            reason: "refused".to_owned(),
        })
        .poll();
        outputs = test.wait();
    }
    assert_eq!(opened[2], "ws://c/");
    assert!(opened[..2].contains(&"ws://a/".to_owned()) && opened[..2].contains(&"ws://b/".to_owned()));
    assert_eq!(opened[..3], opened[3..]);
}

#[test]
fn silence_after_open_is_a_failure() {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.join(A, PeerMode::Leech).input(Input::SocketOpen).poll();
    let outputs = test.wait();
    assert!(
        matches!(&outputs[..], [Output::Close, Output::Lost { .. }]),
        "{outputs:?}"
    );
}

#[test]
fn a_refused_proof_is_tried_once_more() {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.join(A, PeerMode::Leech).poll();
    let refuse = |id: &str| Response::failed(id, ErrorCode::AuthenticationRequired, "bad-signature");
    let connect = test.handshake();
    let outputs = test.respond(refuse(&connect.transaction_id)).poll();
    assert!(matches!(&outputs[..], [Output::Close, Output::Lost { .. }]));
    test.wait();
    let connect = test.handshake();
    let outputs = test.respond(refuse(&connect.transaction_id)).poll();
    let [
        Output::Close,
        Output::Refused {
            swarm: None,
            code,
            reason,
            ..
        },
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(*code, ErrorCode::AuthenticationRequired);
    assert!(reason.contains("bad-signature"));
    assert_eq!(
        (test.client.status(), test.client.poll_timeout()),
        (Status::Refused, None)
    );
    assert!(test.input(Input::Timeout).poll().is_empty());
}

#[test]
fn an_old_signature_is_not_used() {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.join(A, PeerMode::Leech).input(Input::SocketOpen).poll();
    let hello = || {
        Event::Hello(Hello {
            nonce: crate::encode_base64url(&[7; 32]),
            ..Hello::default()
        })
    };
    test.event(hello()).poll();
    test.input(Input::SocketClosed {
        reason: String::new(),
    })
    .poll();
    test.wait();
    let outputs = test.event(hello()).poll();
    assert!(matches!(&outputs[..], [Output::SignAuth { attempt: 2, .. }]));
    assert!(
        test.input(Input::AuthSigned {
            attempt: 1,
            sig: vec![0; 64]
        })
        .poll()
        .is_empty()
    );
    only_request(
        &test
            .input(Input::AuthSigned {
                attempt: 2,
                sig: vec![0; 64],
            })
            .poll(),
    );
}

#[test]
fn an_overloaded_tracker_gets_the_time_it_asks_for() {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.join(A, PeerMode::Leech).poll();
    let connect = test.handshake();
    let mut response = Response::failed(&connect.transaction_id, ErrorCode::Unavailable, "full");
    response.ext = ResponseExt {
        retry_after: Some(40),
        ..response.ext
    };
    test.respond(response).poll();
    assert!(test.client.poll_timeout().unwrap() >= test.now + 40 * SECOND);
}

#[test]
fn a_refused_swarm_is_not_asked_for_again() {
    let mut test = Test::joined();
    let connect = only_request(&test.join(B, PeerMode::Leech).poll());
    let result = SwarmResult {
        swarm_id: B.to_owned(),
        result: 1,
        ..SwarmResult::ok(B)
    };
    let outputs = test
        .respond(Response {
            swarm_result: vec![result],
            ..Response::ok(&connect.transaction_id)
        })
        .poll();
    assert!(matches!(&outputs[..], [Output::Refused { swarm: Some(swarm), .. }] if swarm == B));
    assert_eq!(test.client.status(), Status::Joined);
}

#[test]
fn swarms_it_may_not_be_in_are_not_asked_for_again() {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.join(A, PeerMode::Leech).poll();
    let connect = test.handshake();
    let refuse = |id: &str, reason| Response::failed(id, ErrorCode::Forbidden, reason);
    let outputs = test
        .respond(refuse(&connect.transaction_id, "swarm-not-covered"))
        .poll();
    let [Output::Refused { swarm, reason, .. }, Output::Close] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(swarm.as_deref(), Some(A));
    assert!(reason.contains("swarm-not-covered"));
    assert_eq!(
        (test.client.status(), test.client.poll_timeout()),
        (Status::Idle, None)
    );
    // Of those that are wanted besides, the others go on.
    let mut test = Test::joined();
    let connect = only_request(&test.join(B, PeerMode::Leech).poll());
    let outputs = test
        .respond(refuse(&connect.transaction_id, "swarm-not-allowed"))
        .poll();
    assert!(matches!(&outputs[..], [Output::Refused { swarm: Some(swarm), .. }] if swarm == B));
    assert_eq!(test.client.status(), Status::Joined);
    // Who may not seed goes on as it was.
    let connect = only_request(&test.join(A, PeerMode::Seeder).poll());
    let outputs = test
        .respond(refuse(&connect.transaction_id, "mode-not-covered"))
        .poll();
    assert_eq!(outputs, []);
    assert_eq!(test.client.status(), Status::Joined);
}

#[test]
fn registers_again_when_the_tracker_forgot() {
    let mut test = Test::joined();
    let forget = |id: &str| Response::failed(id, ErrorCode::Forbidden, "not-a-member");
    for _ in 0..2 {
        let find = only_request(&test.wait());
        let connect = only_request(&test.respond(forget(&find.transaction_id)).poll());
        assert_eq!(actions(&connect), [(Action::Join, A)]);
        test.respond(Response::ok(&connect.transaction_id)).poll();
    }
    // A tracker that does it again and again is left.
    let find = only_request(&test.wait());
    let outputs = test.respond(forget(&find.transaction_id)).poll();
    assert!(
        matches!(&outputs[..], [Output::Close, Output::Lost { .. }]),
        "{outputs:?}"
    );
}

#[test]
fn signals_go_out_and_failures_are_named() {
    let mut test = Test::joined();
    let own = test.client.peer_id().to_owned();
    let signal = |to: &str| Box::new(Signal::new(Kind::End, A, &own, to, "oid", 1, test.now / 1000));
    let (directed, other) = (signal("aa"), signal("bb"));
    let request = only_request(&test.input(Input::SendSignal(directed)).poll());
    assert!(matches!(&request.body, RequestBody::Signal(signal) if signal.to == "aa"));
    let outputs = test
        .respond(Response::failed(
            &request.transaction_id,
            ErrorCode::Forbidden,
            "no-such-peer",
        ))
        .poll();
    let [Output::SignalFailed { to, oid, reason }] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!((to.as_str(), oid.as_str()), ("aa", "oid"));
    assert!(reason.contains("no-such-peer"));
    // Without a tracker it fails at once; one under way fails with the socket.
    test.input(Input::SendSignal(other.clone())).poll();
    let outputs = test
        .input(Input::SocketClosed {
            reason: String::new(),
        })
        .poll();
    assert!(
        outputs
            .iter()
            .any(|output| matches!(output, Output::SignalFailed { to, .. } if to == "bb"))
    );
    let outputs = test.input(Input::SendSignal(other)).poll();
    assert!(matches!(&outputs[..], [Output::SignalFailed { .. }]));
}

#[test]
fn batch_offers_travel_with_connect_and_find() {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    let own = test.client.peer_id().to_owned();
    let offer = |swarm: &str, n: u64, at: Timestamp| {
        let mut offer = Signal::new(Kind::Offer, swarm, &own, "", "oid", n, at / 1000);
        offer.sdp = Some("v=0".to_owned());
        Input::SendSignal(Box::new(offer))
    };
    test.join(A, PeerMode::Leech);
    for n in 0..7 {
        let input = offer(A, n, test.now);
        test.input(input);
    }
    let other = offer(B, 0, test.now);
    test.input(other).poll();
    let connect = test.handshake();
    assert_eq!(
        connect.ext.offers.iter().map(|offer| offer.n).collect::<Vec<_>>(),
        [3, 4, 5, 6]
    );
    let mut response = Response::ok(&connect.transaction_id);
    response.ext.offers_sent = Some(2);
    assert!(test.respond(response).poll().contains(&Output::OffersSent(2)));
    let fresh = offer(A, 9, test.now);
    test.input(fresh).poll();
    let find = only_request(&test.wait());
    assert_eq!(
        find.ext.offers.iter().map(|offer| offer.n).collect::<Vec<_>>(),
        [9]
    );
}

#[test]
fn only_proper_signals_come_in() {
    let mut test = Test::joined();
    let own = test.client.peer_id().to_owned();
    let now_ms = test.now / 1000;
    let good = Signal::new(Kind::End, A, "aa", &own, "oid", 1, now_ms);
    let mut deliver = |signal: &Signal| test.event(Event::Signal(Box::new(signal.clone()))).poll();
    assert_eq!(deliver(&good), [Output::Signal(Box::new(good.clone()))]);
    assert!(deliver(&good).is_empty(), "seen before");
    let edits: [fn(&mut Signal); 5] = [
        |signal| signal.ts += 60_001,
        |signal| signal.ts -= 60_001,
        |signal| signal.to = "bb".to_owned(),
        |signal| signal.swarm = B.to_owned(),
        |signal| signal.from = signal.to.clone(),
    ];
    for (index, edit) in edits.into_iter().enumerate() {
        let mut bad = Signal { n: 2, ..good.clone() };
        edit(&mut bad);
        assert!(deliver(&bad).is_empty(), "edit {index}");
    }
    let mut batch = Signal {
        kind: Kind::Offer,
        to: String::new(),
        n: 3,
        ..good
    };
    batch.sdp = Some("v=0".to_owned());
    assert_eq!(deliver(&batch).len(), 1);
}

#[test]
fn wrong_clocks_are_corrected_by_the_trackers() {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.join(A, PeerMode::Leech).input(Input::SocketOpen).poll();
    let time = test.now / 1000 + 3_600_000;
    let nonce = crate::encode_base64url(&[7; 32]);
    test.event(Event::Hello(Hello {
        nonce,
        time,
        ..Hello::default()
    }))
    .poll();
    assert_eq!(test.client.time_ms(test.now), time);
    assert_eq!(test.client.time_ms(test.now + SECOND), time + 1000);
}

#[test]
fn goodbye_is_obeyed() {
    let mut test = Test::joined();
    let bye = Bye {
        code: ErrorCode::Unavailable,
        retry_after: Some(30),
        reason: None,
    };
    let outputs = test.event(Event::Bye(bye)).poll();
    assert!(matches!(&outputs[..], [Output::Close, Output::Lost { .. }]));
    assert!(test.client.poll_timeout().unwrap() >= test.now + 30 * SECOND);
}

#[test]
fn drains_only_to_a_tracker_the_page_named() {
    for (target, expected) in [("ws://b/", "ws://b/"), ("ws://evil/", "ws://a/")] {
        let mut test = Test::new(&[&["ws://a/"], &["ws://b/"]]);
        test.join(A, PeerMode::Leech).poll();
        let connect = test.handshake();
        test.respond(Response::ok(&connect.transaction_id)).poll();
        test.now += STABLE;
        test.event(Event::Config(Config {
            reconnect: Some(target.to_owned()),
            ..Config::default()
        }))
        .poll();
        assert_eq!(test.wait(), [Output::Open(expected.to_owned())]);
    }
}

#[test]
fn malformed_frames_end_the_session_at_the_third() {
    let mut test = Test::joined();
    assert!(test.input(Input::Frame("{".to_owned())).poll().is_empty());
    assert!(test.input(Input::Frame("[]".to_owned())).poll().is_empty());
    let outputs = test.input(Input::Frame(String::new())).poll();
    assert!(matches!(&outputs[..], [Output::Close, Output::Lost { .. }]));
}

#[test]
fn sizes_of_swarms_are_passed_on_when_they_change() {
    let mut test = Test::joined();
    let sized = |id: &str, swarm: &str, members: u64| {
        let mut result = SwarmResult::ok(swarm);
        result.ext.members = Some(members);
        Response {
            swarm_result: vec![result],
            ..Response::ok(id)
        }
    };
    let size = |members| Output::SwarmSize {
        swarm: A.to_owned(),
        members,
    };
    let answers = [(A, 7, true), (A, 7, false), (A, 8, true), (B, 9, false)];
    for (swarm, members, new) in answers {
        let request = only_request(&test.wait());
        let outputs = test
            .respond(sized(&request.transaction_id, swarm, members))
            .poll();
        let expected: &[Output] = if new { &[size(members)] } else { &[] };
        assert_eq!(outputs, expected);
    }
}

#[test]
fn the_status_is_told_when_joining_and_when_it_changes() {
    let status = |up_kbps| PeerStatus {
        role: Some(Role::Browser),
        up_kbps: Some(up_kbps),
        ..PeerStatus::default()
    };
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.input(Input::Status(status(1000)));
    test.join(A, PeerMode::Leech).poll();
    let connect = test.handshake();
    assert_eq!(connect.ext.status, Some(status(1000)));
    test.respond(Response::ok(&connect.transaction_id)).poll();
    test.input(Input::Neighbours {
        swarm: A.to_owned(),
        peers: vec!["p".to_owned(); 6],
    });
    for (up_kbps, told) in [(1000, None), (2000, Some(status(2000))), (2000, None)] {
        test.input(Input::Status(status(up_kbps)));
        let report = only_request(&test.wait());
        assert_eq!(report.ext.status, told);
        test.respond(Response::ok(&report.transaction_id)).poll();
    }
    // Another session, perhaps another tracker: all of it again.
    test.input(Input::SocketClosed {
        reason: String::new(),
    })
    .poll();
    test.wait();
    assert_eq!(test.handshake().ext.status, Some(status(2000)));
}

#[test]
fn without_trackers_joining_is_refused() {
    let mut test = Test::new(&[]);
    let outputs = test.join(A, PeerMode::Leech).poll();
    assert!(matches!(&outputs[..], [Output::Refused { .. }]));
    assert_eq!(test.client.poll_timeout(), None);
}
