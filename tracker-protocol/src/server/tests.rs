//! Registration, combinations of swarm actions (RFC 7846 table 6), timers: as both faces read them.

use super::*;
use crate::{Find, RequestExt, Signal, Stat, SwarmAction, connect_action};

const A: &str = "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";
const B: &str = "0d6c4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";

fn join(swarm: &str) -> SwarmAction {
    connect_action(swarm, Action::Join, PeerMode::Leech)
}

fn seed(swarm: &str) -> SwarmAction {
    connect_action(swarm, Action::Join, PeerMode::Seeder)
}

fn leave(swarm: &str) -> SwarmAction {
    connect_action(swarm, Action::Leave, PeerMode::Leech)
}

struct Test {
    peer: Peer,
    face: Face,
    now: Timestamp,
    id: u32,
}

impl Test {
    fn start() -> Self {
        Self {
            peer: Peer::new(0, PeerConfig::default()),
            face: Face::WebSocket,
            now: 0,
            id: 0,
        }
    }

    fn tracking(actions: Vec<SwarmAction>) -> Self {
        let mut test = Self::start();
        test.connect(actions).unwrap();
        assert_eq!(test.peer.state(), PeerState::Tracking);
        test
    }

    fn request(&mut self, body: RequestBody) -> Verdict {
        self.id += 1;
        let (transaction_id, peer_id) = (self.id.to_string(), "d8".repeat(32));
        let request = Request {
            transaction_id,
            peer_id,
            body,
            ext: RequestExt::default(),
        };
        let frame = request.encode().unwrap();
        self.peer.request(self.now, self.face, &request, &frame)
    }

    fn connect(&mut self, swarm_action: Vec<SwarmAction>) -> Result<Changes, String> {
        match self.request(RequestBody::Connect(Connect {
            swarm_action,
            ..Connect::default()
        })) {
            Verdict::Connect(changes) => Ok(changes),
            Verdict::Refuse(response) => {
                assert_eq!(response.code, ErrorCode::Forbidden);
                Err(response.ext.reason.unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    fn find(&mut self, swarm: &str) -> Verdict {
        self.request(RequestBody::Find(Find {
            swarm_id: swarm.to_owned(),
            peer_num: None,
        }))
    }

    fn report(&mut self, swarms: &[&str]) -> Verdict {
        let stat = |swarm: &&str| Stat {
            swarm_id: (*swarm).to_owned(),
            ..Stat::default()
        };
        self.request(RequestBody::StatReport(swarms.iter().map(stat).collect()))
    }

    fn swarms(&self) -> Vec<&str> {
        self.peer.swarms().keys().map(String::as_str).collect()
    }
}

fn is_forbidden(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Refuse(response) if response.code == ErrorCode::Forbidden)
}

#[test]
fn leech_joins_one() {
    let test = Test::tracking(vec![join(A)]);
    assert_eq!(test.swarms(), [A]);
}

#[test]
fn leave_in_start_is_invalid_and_registers_nothing() {
    let mut test = Test::start();
    assert!(test.connect(vec![leave(A)]).is_err());
    assert_eq!(test.peer.state(), PeerState::Terminated);
}

#[test]
fn join_with_leave_in_start_is_invalid() {
    let mut test = Test::start();
    assert!(test.connect(vec![join(A), leave(B)]).is_err());
    assert_eq!(test.peer.state(), PeerState::Terminated);
    assert!(test.swarms().is_empty());
}

#[test]
fn leaving_the_last_swarm_terminates_and_only_the_last() {
    let mut test = Test::tracking(vec![join(A), join(B)]);
    test.connect(vec![leave(A)]).unwrap();
    assert_eq!(test.peer.state(), PeerState::Tracking);
    test.connect(vec![leave(B)]).unwrap();
    assert_eq!(test.peer.state(), PeerState::Terminated);
}

#[test]
fn channel_switch_leaves_first() {
    let mut test = Test::tracking(vec![join(A)]);
    // The order on the wire does not matter.
    let changes = test.connect(vec![join(B), leave(A)]).unwrap();
    assert_eq!(
        changes,
        Changes {
            left: vec![A.to_owned()],
            joined: vec![(B.to_owned(), PeerMode::Leech)]
        }
    );
    assert_eq!(test.swarms(), [B]);
    assert_eq!(test.peer.state(), PeerState::Tracking);
}

#[test]
fn seeder_joins_many_and_more_while_tracking() {
    let mut test = Test::tracking(vec![seed(A)]);
    test.connect(vec![seed(B)]).unwrap();
    assert_eq!(
        test.peer.swarms().values().copied().collect::<Vec<_>>(),
        [PeerMode::Seeder; 2]
    );
    test.connect(vec![leave(A), leave(B)]).unwrap();
    assert_eq!(test.peer.state(), PeerState::Terminated);
}

#[test]
fn second_join_and_change_of_mode_are_valid() {
    let mut test = Test::tracking(vec![join(A)]);
    test.connect(vec![join(B)]).unwrap();
    test.connect(vec![seed(A)]).unwrap();
    assert_eq!(test.peer.swarms()[A], PeerMode::Seeder);
    assert_eq!(test.peer.swarms()[B], PeerMode::Leech);
}

#[test]
fn invalid_actions_while_tracking_change_nothing_and_reset_no_timer() {
    let mut test = Test::tracking(vec![join(A)]);
    let deadline = test.peer.poll_timeout();
    test.now = 50 * SECOND;
    assert!(test.connect(vec![join(B), leave(B)]).is_err());
    assert!(test.connect(vec![join(B), join(B)]).is_err());
    assert!(is_forbidden(&test.find(B)));
    assert!(is_forbidden(&test.report(&[A, B])));
    assert_eq!((test.swarms(), test.peer.state()), (vec![A], PeerState::Tracking));
    assert_eq!(test.peer.poll_timeout(), deadline);
}

#[test]
fn too_many_swarms() {
    let mut test = Test::start();
    let swarm = |index: usize| format!("{index:064x}");
    test.connect((0..64).map(|index| join(&swarm(index))).collect())
        .unwrap();
    assert_eq!(test.connect(vec![join(A)]).unwrap_err(), "too-many-swarms");
    test.connect(vec![leave(&swarm(3)), join(A)]).unwrap();
}

#[test]
fn requests_of_an_unregistered_peer() {
    let signal = || RequestBody::Signal(Box::new(Signal::new(crate::Kind::Bye, A, "x", "y", "o", 0, 0)));
    let cases: [fn(&mut Test) -> Verdict; 3] = [
        |test| test.find(A),
        |test| test.report(&[A]),
        |test| test.report(&[]),
    ];
    for case in cases {
        let mut test = Test::start();
        assert!(is_forbidden(&case(&mut test)));
        assert_eq!(test.peer.state(), PeerState::Terminated);
    }
    assert!(is_forbidden(&Test::start().request(signal())));
}

#[test]
fn init_timer() {
    let mut test = Test::start();
    assert_eq!(test.peer.poll_timeout(), 10 * SECOND);
    assert!(!test.peer.handle_timeout(10 * SECOND - 1));
    assert!(test.peer.handle_timeout(10 * SECOND));
}

#[test]
fn accepted_requests_reset_the_track_timer() {
    let mut test = Test::tracking(vec![join(A)]);
    assert_eq!(test.peer.poll_timeout(), 95 * SECOND);
    let cases: [fn(&mut Test) -> Verdict; 3] = [
        |test| test.find(A),
        |test| test.report(&[A]),
        |test| test.report(&[]),
    ];
    for case in cases {
        test.now += 90 * SECOND;
        assert_eq!(case(&mut test), Verdict::Proceed);
        assert_eq!(test.peer.poll_timeout(), test.now + 95 * SECOND);
    }
    assert!(!test.peer.handle_timeout(test.now + 95 * SECOND - 1));
    assert!(test.peer.handle_timeout(test.now + 95 * SECOND));
}

#[test]
fn relaying_resets_the_timer_only_when_it_worked() {
    let mut test = Test::tracking(vec![join(A)]);
    test.now = SECOND;
    let signal = Signal::new(crate::Kind::Bye, A, "x", "y", "o", 0, 0);
    assert_eq!(
        test.request(RequestBody::Signal(Box::new(signal))),
        Verdict::Proceed
    );
    assert_eq!(test.peer.poll_timeout(), 95 * SECOND);
    test.peer.touch(test.now);
    assert_eq!(test.peer.poll_timeout(), 96 * SECOND);
}

#[test]
fn a_lost_socket_is_unreachable_then_forgotten() {
    let mut test = Test::tracking(vec![join(A)]);
    assert!(test.peer.is_reachable());
    test.peer.socket_lost(SECOND);
    assert!(!test.peer.is_reachable());
    assert!(!test.peer.handle_timeout(16 * SECOND - 1));
    assert!(test.peer.handle_timeout(16 * SECOND));
}

#[test]
fn a_new_socket_resumes_and_says_what_is_still_wanted() {
    let mut test = Test::tracking(vec![join(A), join(B)]);
    test.peer.socket_lost(SECOND);
    test.now = 10 * SECOND;
    test.peer.socket_attached(test.now);
    assert!(test.peer.is_reachable());
    let changes = test.connect(vec![seed(A)]).unwrap();
    assert_eq!(
        changes,
        Changes {
            left: vec![B.to_owned()],
            joined: vec![(A.to_owned(), PeerMode::Seeder)]
        }
    );
    assert!(!test.peer.handle_timeout(60 * SECOND));
}

#[test]
fn repetitions_have_no_second_effect() {
    let mut peer = Peer::new(0, PeerConfig::default());
    let request = |id: usize, actions| Request {
        transaction_id: id.to_string(),
        peer_id: "d8".repeat(32),
        body: RequestBody::Connect(Connect {
            swarm_action: actions,
            ..Connect::default()
        }),
        ext: RequestExt::default(),
    };
    let first = request(0, vec![join(A)]);
    let frame = first.encode().unwrap();
    assert!(matches!(
        peer.request(0, Face::WebSocket, &first, &frame),
        Verdict::Connect(_)
    ));
    peer.remember(0, &first, &frame, "answer");
    assert_eq!(
        peer.request(SECOND, Face::WebSocket, &first, &frame),
        Verdict::Replay("answer".to_owned())
    );
    // The same ID for something else.
    let other = request(0, vec![join(B)]);
    let verdict = peer.request(SECOND, Face::WebSocket, &other, &other.encode().unwrap());
    assert!(matches!(verdict, Verdict::Refuse(response) if response.code == ErrorCode::BadRequest));
    // 60 s later it is forgotten.
    let late = peer.clone().request(60 * SECOND, Face::WebSocket, &first, &frame);
    assert!(matches!(late, Verdict::Connect(_)));
    // So it is after 16 others.
    for id in 1..=16 {
        let another = request(id, vec![join(A)]);
        let frame = another.encode().unwrap();
        assert!(matches!(
            peer.request(SECOND, Face::WebSocket, &another, &frame),
            Verdict::Connect(_)
        ));
        peer.remember(SECOND, &another, &frame, "other");
    }
    assert!(matches!(
        peer.request(SECOND, Face::WebSocket, &first, &frame),
        Verdict::Connect(_)
    ));
}

#[test]
fn a_repeated_last_leave_is_answered_as_before() {
    let mut test = Test::tracking(vec![join(A)]);
    test.connect(vec![leave(A)]).unwrap();
    let request = Request {
        transaction_id: "x".to_owned(),
        peer_id: "d8".repeat(32),
        body: RequestBody::StatReport(Vec::new()),
        ext: RequestExt::default(),
    };
    let frame = request.encode().unwrap();
    test.peer.remember(0, &request, &frame, "answer");
    let mut answers = test.peer.take_answers();
    assert_eq!(answers.answer_to(SECOND, "x", &frame).as_deref(), Some("answer"));
    assert_eq!(answers.answer_to(SECOND, "x", "another"), None);
    let mut again = Peer::with_answers(SECOND, PeerConfig::default(), answers);
    let verdict = again.request(SECOND, Face::Post, &request, &frame);
    assert_eq!(verdict, Verdict::Replay("answer".to_owned()));
}

#[test]
fn kept_answers_are_bounded_in_bytes() {
    let mut transactions = Transactions::default();
    for id in ["1", "2", "3"] {
        transactions.insert(0, id, id, &"x".repeat(30_000));
    }
    let kept = |transactions: &mut Transactions, id| transactions.answer_to(0, id, id).is_some();
    assert!(!kept(&mut transactions, "1") && kept(&mut transactions, "2") && kept(&mut transactions, "3"));
}

/// Every row of the table, on the strict face.
mod table_6 {
    use super::*;

    fn strict(before: Vec<SwarmAction>) -> Test {
        let mut test = Test::start();
        if !before.is_empty() {
            test.connect(before).unwrap();
        }
        test.face = Face::Post;
        test
    }

    /// What a CONNECT does: whether it is accepted, and the state and memberships after it.
    fn after(before: Vec<SwarmAction>, actions: Vec<SwarmAction>) -> (bool, PeerState, Vec<String>) {
        let mut test = strict(before);
        let accepted = test.connect(actions).is_ok();
        let swarms = test.swarms().into_iter().map(str::to_owned).collect();
        (accepted, test.peer.state(), swarms)
    }

    fn seeder_leaves(swarm: &str) -> SwarmAction {
        connect_action(swarm, Action::Leave, PeerMode::Seeder)
    }

    fn is(accepted: bool, state: PeerState, swarms: &[&str]) -> (bool, PeerState, Vec<String>) {
        let swarms = swarms.iter().map(|swarm| (*swarm).to_owned()).collect();
        (accepted, state, swarms)
    }

    const TRACKING: PeerState = PeerState::Tracking;
    const TERMINATED: PeerState = PeerState::Terminated;

    #[test]
    fn leech_join_in_start() {
        assert_eq!(after(vec![], vec![join(A)]), is(true, TRACKING, &[A]));
    }

    #[test]
    fn leech_leave_in_start() {
        assert_eq!(after(vec![], vec![leave(A)]), is(false, TERMINATED, &[]));
    }

    #[test]
    fn leech_leave_while_tracking() {
        assert_eq!(after(vec![join(A)], vec![leave(A)]), is(true, TERMINATED, &[]));
        let two = vec![join(A), join(B)];
        assert_eq!(after(two, vec![leave(A)]), is(true, TRACKING, &[B]));
    }

    #[test]
    fn leech_join_and_leave_in_start() {
        assert_eq!(after(vec![], vec![join(A), leave(B)]), is(false, TERMINATED, &[]));
    }

    #[test]
    fn leech_leave_and_join_while_tracking() {
        let switch = vec![leave(A), join(B)];
        assert_eq!(after(vec![join(A)], switch), is(true, TRACKING, &[B]));
        // All or nothing: the LEAVE is invalid, so nothing is joined.
        let switch = vec![leave(B), join(B)];
        assert_eq!(after(vec![join(A)], switch), is(false, TRACKING, &[A]));
    }

    #[test]
    fn seeder_joins_in_start() {
        assert_eq!(after(vec![], vec![seed(A), seed(B)]), is(true, TRACKING, &[B, A]));
    }

    #[test]
    fn seeder_join_while_tracking_is_refused_but_tracking_goes_on() {
        assert_eq!(after(vec![seed(A)], vec![seed(B)]), is(false, TRACKING, &[A]));
        assert_eq!(after(vec![seed(A)], vec![seed(A)]), is(false, TRACKING, &[A]));
        let mut test = strict(vec![seed(A)]);
        let deadline = test.peer.poll_timeout();
        test.now = SECOND;
        assert_eq!(test.connect(vec![seed(B)]).unwrap_err(), "combination-of-actions");
        assert_eq!(test.peer.poll_timeout(), deadline);
    }

    #[test]
    fn seeder_leaves_while_tracking() {
        let both = || vec![seed(A), seed(B)];
        let leaves = vec![seeder_leaves(A), seeder_leaves(B)];
        assert_eq!(after(both(), leaves), is(true, TERMINATED, &[]));
        assert_eq!(after(both(), vec![seeder_leaves(A)]), is(true, TRACKING, &[B]));
        // A LEAVE may be without its mode, which then reads as LEECH.
        assert_eq!(after(both(), vec![leave(A), leave(B)]), is(true, TERMINATED, &[]));
    }

    #[test]
    fn second_leech_join_while_tracking() {
        assert_eq!(after(vec![join(A)], vec![join(B)]), is(true, TRACKING, &[B, A]));
    }

    #[test]
    fn leech_becomes_seeder() {
        let mut test = strict(vec![join(A), join(B)]);
        test.connect(vec![seed(A), seed(B)]).unwrap();
        let modes = test.peer.swarms().values().copied();
        assert_eq!(modes.collect::<Vec<_>>(), [PeerMode::Seeder; 2]);
    }

    #[test]
    fn mixed_requests_are_refused() {
        for mixed in [
            vec![join(A), seed(B)],
            vec![join(A), join(B)],
            vec![seed(A), leave(B)],
        ] {
            assert_eq!(after(vec![], mixed), is(false, TERMINATED, &[]));
        }
        let three = format!("{:064x}", 3);
        for mixed in [
            vec![leave(A), seed(B)],
            vec![leave(A), join(&three), join(B)],
            vec![join(B), join(&three)],
        ] {
            assert_eq!(after(vec![join(A)], mixed), is(false, TRACKING, &[A]));
        }
    }
}
