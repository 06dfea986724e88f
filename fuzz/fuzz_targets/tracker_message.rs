//! Frames of the tracker protocol and of the auxiliary channel: reading never panics, what was read is written and read back the same, and both
//! state machines survive any conversation.
//!
//! The input is text; every line is one frame. Its length also makes time pass.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracker_protocol::client::{Client, ClientConfig, Input, Output};
use tracker_protocol::server::{Face, Peer, PeerConfig, Verdict};
use tracker_protocol::{
    AuxFrame, EncodeError, Event, FromTracker, Hello, MapReport, PeerMode, Request, Response, SUPPORTS_CERT,
    encode_base64url,
};

const SWARM: &str = "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";
const START: u64 = 1_700_000_000_000_000;

/// The frame again, unless it no longer fits: numbers such as `1e15` grow.
fn again(written: Result<String, EncodeError>) -> Option<String> {
    match written {
        Ok(frame) => Some(frame),
        Err(EncodeError::TooLong(_)) => None,
    }
}

fn round_trip(frame: &str) {
    match Request::decode(frame) {
        Ok(request) => {
            if let Some(frame) = again(request.encode()) {
                assert_eq!(Request::decode(&frame).expect("own request"), request);
            }
        }
        Err(refused) => {
            let answer = again(refused.response().encode()).expect("a refusal fits");
            assert!(
                matches!(FromTracker::decode(&answer), Ok(FromTracker::Response(_))),
                "{answer}"
            );
        }
    }
    if let Ok(aux) = AuxFrame::decode(frame)
        && let Some(frame) = again(aux.encode())
    {
        assert_eq!(AuxFrame::decode(&frame).expect("own frame"), aux);
    }
    if let Ok(report) = MapReport::from_runs(frame.len() as u64, frame) {
        assert_eq!(
            MapReport::from_runs(report.first, &report.runs_text()),
            Ok(report)
        );
    }
    if let Ok(message) = FromTracker::decode(frame)
        && let Some(frame) = again(message.encode())
    {
        assert_eq!(FromTracker::decode(&frame).expect("own message"), message);
    }
}

struct Conversation {
    client: Client,
    peer: Peer,
    now: u64,
}

impl Conversation {
    /// A client that has said CONNECT, and a peer of a tracker that has been proven.
    fn new() -> Self {
        let config = ClientConfig::new(vec![vec!["wss://t.example/ppsp".to_owned()]], vec![13; 65], 1);
        let mut client = Client::new(config);
        client.handle(
            START,
            Input::Join {
                swarm: SWARM.to_owned(),
                mode: PeerMode::Leech,
            },
        );
        while client.poll_output().is_some() {}
        let hello = Hello {
            nonce: encode_base64url(&[7; 32]),
            time: START / 1000,
            supports: vec![SUPPORTS_CERT.to_owned()],
            ..Hello::default()
        };
        let hello = Event::Hello(hello).encode().expect("HELLO fits");
        client.handle(START, Input::Frame(hello));
        client.handle(
            START,
            Input::AuthSigned {
                attempt: 1,
                sig: vec![1; 64],
            },
        );
        Self {
            client,
            peer: Peer::new(START, PeerConfig::default()),
            now: START,
        }
    }

    fn frame(&mut self, frame: &str) {
        self.now += frame.len() as u64 * 100_000;
        self.client.handle(self.now, Input::Frame(frame.to_owned()));
        self.drain();
        if let Ok(request) = Request::decode(frame) {
            self.serve(&request, frame);
        }
        if let Some(at) = self.client.poll_timeout() {
            self.now = self.now.max(at);
            self.client.handle(self.now, Input::Timeout);
            self.drain();
        }
    }

    /// What the client sends is always a proper request; the peer's machine is given it too.
    fn drain(&mut self) {
        let mut outputs = 0;
        while let Some(output) = self.client.poll_output() {
            outputs += 1;
            assert!(outputs < 1000, "outputs without end");
            match output {
                Output::Send(frame) => {
                    let request = Request::decode(&frame).expect("the client writes proper requests");
                    self.serve(&request, &frame);
                }
                Output::SignAuth { attempt, .. } => {
                    self.client.handle(
                        self.now,
                        Input::AuthSigned {
                            attempt,
                            sig: vec![1; 64],
                        },
                    );
                }
                _ => {}
            }
        }
    }

    fn serve(&mut self, request: &Request, frame: &str) {
        let face = match frame.len() % 2 {
            0 => Face::WebSocket,
            _ => Face::Post,
        };
        let verdict = self.peer.request(self.now, face, request, frame);
        assert!(self.peer.swarms().len() <= PeerConfig::default().max_swarms);
        if let Verdict::Connect(_) | Verdict::Proceed = verdict {
            let answer = Response::ok(&request.transaction_id)
                .encode()
                .expect("an answer fits");
            self.peer.remember(self.now, request, frame, &answer);
            assert_eq!(
                self.peer.request(self.now, face, request, frame),
                Verdict::Replay(answer)
            );
        }
        if self.peer.handle_timeout(self.now) {
            self.peer = Peer::new(self.now, PeerConfig::default());
        }
    }
}

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    round_trip(text);
    let mut conversation = Conversation::new();
    for frame in text.lines().take(64) {
        conversation.frame(frame);
    }
});
