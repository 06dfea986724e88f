//! Tokens of closed swarms, which end before the viewer is done.

use super::*;
use sha2::{Digest, Sha256};

fn token_of(request: &Request) -> Option<&str> {
    request.ext.auth.as_ref()?.token.as_deref()
}

impl Test {
    /// In swarm A with the token "one".
    fn admitted() -> Self {
        let mut test = Self::new(&[&["ws://t.example/ppsp"]]);
        test.input(Input::Token("one".to_owned()));
        test.join(A, PeerMode::Leech).poll();
        let connect = test.handshake();
        assert_eq!(token_of(&connect), Some("one"));
        test.respond(Response::ok(&connect.transaction_id)).poll();
        test
    }

    /// Signs what is to be signed, and nothing else.
    fn sign(&mut self, outputs: &[Output]) -> Request {
        let [Output::SignAuth { attempt, bytes }] = outputs else {
            panic!("{outputs:?}")
        };
        assert!(bytes.ends_with(&Sha256::digest(b"two")));
        let attempt = *attempt;
        let sig = vec![2; 64];
        only_request(&self.input(Input::AuthSigned { attempt, sig }).poll())
    }
}

#[test]
fn a_new_token_is_shown_on_the_same_socket() {
    let mut test = Test::admitted();
    assert!(
        test.input(Input::Token("one".to_owned())).poll().is_empty(),
        "it is known"
    );
    let outputs = test.input(Input::Token("two".to_owned())).poll();
    let connect = test.sign(&outputs);
    assert_eq!(token_of(&connect), Some("two"));
    assert_eq!(actions(&connect), [(Action::Join, A)]);
    assert!(
        test.respond(Response::ok(&connect.transaction_id))
            .poll()
            .is_empty()
    );
    assert_eq!(test.client.status(), Status::Joined);
    // It is that of the next session, too.
    let reason = "reset".to_owned();
    test.input(Input::SocketClosed { reason }).poll();
    test.wait();
    assert_eq!(token_of(&test.handshake()), Some("two"));
}

#[test]
fn a_new_token_waits_for_the_connect_under_way() {
    let mut test = Test::admitted();
    let switch = only_request(&test.join(B, PeerMode::Leech).poll());
    assert!(test.input(Input::Token("two".to_owned())).poll().is_empty());
    let outputs = test.respond(Response::ok(&switch.transaction_id)).poll();
    let connect = test.sign(&outputs);
    assert_eq!(actions(&connect), [(Action::Join, B), (Action::Join, A)]);
}

#[test]
fn a_refused_token_is_followed_by_another() {
    let mut test = Test::admitted();
    let refused = |id: &str| Response::failed(id, ErrorCode::AuthenticationRequired, "token-expired");
    // An open session ends with it, a new one does not begin with it.
    let find = only_request(&test.wait());
    let outputs = test.respond(refused(&find.transaction_id)).poll();
    let lost = |outputs: &[Output]| {
        let reasons = outputs.iter().filter_map(|output| match output {
            Output::Lost { reason, .. } | Output::Refused { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        reasons.collect::<Vec<_>>()
    };
    assert!(lost(&outputs)[0].ends_with("token-expired"), "{outputs:?}");
    for _ in 0..2 {
        test.wait();
        let connect = test.handshake();
        let outputs = test.respond(refused(&connect.transaction_id)).poll();
        assert!(lost(&outputs)[0].ends_with("token-expired"), "{outputs:?}");
    }
    assert_eq!(test.client.status(), Status::Refused);
    test.input(Input::Token("two".to_owned()));
    test.wait();
    let connect = test.handshake();
    assert_eq!(token_of(&connect), Some("two"));
    let outputs = test.respond(Response::ok(&connect.transaction_id)).poll();
    assert!(matches!(outputs[0], Output::Joined { .. }), "{outputs:?}");
}

#[test]
fn a_signature_over_the_token_before_is_not_used() {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.join(A, PeerMode::Leech).poll();
    test.input(Input::SocketOpen);
    let hello = Hello {
        nonce: crate::encode_base64url(&[7; 32]),
        ..Hello::default()
    };
    let outputs = test.event(Event::Hello(hello)).poll();
    let [Output::SignAuth { attempt: old, .. }] = outputs[..] else {
        panic!("{outputs:?}")
    };
    let outputs = test.input(Input::Token("two".to_owned())).poll();
    let sig = vec![1; 64];
    assert!(
        test.input(Input::AuthSigned { attempt: old, sig })
            .poll()
            .is_empty()
    );
    assert_eq!(token_of(&test.sign(&outputs)), Some("two"));
}
