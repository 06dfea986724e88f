//! Certificates of membership: asked for, renewed, refused.

use super::*;

/// A client whose tracker issues certificates, in swarm A; the time is the session's start.
fn certified(key: Option<&str>, respond: impl FnOnce(Response) -> Response) -> (Test, Request, Vec<Output>) {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.join(A, PeerMode::Leech).poll();
    let hello = Hello {
        nonce: crate::encode_base64url(&[7; 32]),
        time: test.now / 1000,
        supports: vec![crate::SUPPORTS_CERT.to_owned()],
        tracker_key: key.map(str::to_owned),
        ..Hello::default()
    };
    test.event(Event::Hello(hello)).poll();
    let sig = vec![1; 64];
    let connect = only_request(&test.input(Input::AuthSigned { attempt: 1, sig }).poll());
    let outputs = test
        .respond(respond(Response::ok(&connect.transaction_id)))
        .poll();
    (test, connect, outputs)
}

fn with_certificate(response: Response, now: Timestamp, life: u64, cert: &str) -> Response {
    let issued = IssuedCertificate {
        swarm_id: A.to_owned(),
        cert: cert.to_owned(),
        expires: now / SECOND + life,
    };
    let ext = ResponseExt {
        certs: vec![issued],
        ..ResponseExt::default()
    };
    Response { ext, ..response }
}

/// Lets time pass to the next CERT; answers what is asked before.
fn wait_for_cert(test: &mut Test) -> Request {
    loop {
        for request in requests(&test.wait()) {
            match &request.body {
                RequestBody::Cert(swarm) => {
                    assert_eq!(swarm, A);
                    return request;
                }
                _ => drop(test.respond(Response::ok(&request.transaction_id)).poll()),
            }
        }
    }
}

#[test]
fn certificates_are_asked_for_and_renewed_at_half_of_their_life() {
    let key = crate::encode_base64url(&[13; 65]);
    let (mut test, connect, outputs) = certified(Some(&key), |response| {
        with_certificate(response, START, 3600, "AAEC")
    });
    assert_eq!(connect.ext.want, ["cert"]);
    assert!(connect.ext.supports.contains(&"cert/1".to_owned()));
    let issued = |life: u64| Output::Certificate {
        swarm: A.to_owned(),
        certificate: vec![0, 1, 2],
        expires: START / SECOND + life,
    };
    let joined = Output::Joined {
        url: "ws://t.example/ppsp".to_owned(),
        tracker_key: Some(vec![13; 65]),
    };
    assert_eq!(outputs, [joined, issued(3600)]);
    let cert = wait_for_cert(&mut test);
    assert_eq!(test.now - START, 1800 * SECOND);
    let renewed = with_certificate(Response::ok(&cert.transaction_id), START, 5400, "AAEC");
    assert_eq!(test.respond(renewed).poll(), [issued(5400)]);
    let cert = wait_for_cert(&mut test);
    assert_eq!(test.now - START, 3600 * SECOND);
    // A refusal for the moment is no reason to leave, or to ask at once.
    let busy = Response::failed(&cert.transaction_id, ErrorCode::Unavailable, "busy");
    assert!(test.respond(busy).poll().is_empty());
    wait_for_cert(&mut test);
    assert_eq!(test.now - START, 3660 * SECOND);
    // A change of mode needs none; the next session does.
    let connect = test.join(A, PeerMode::Seeder).poll();
    assert!(only_request(&connect).ext.want.is_empty());
    test.input(Input::SocketClosed {
        reason: String::new(),
    })
    .poll();
    test.wait();
    assert!(test.handshake().ext.want.is_empty(), "it does not issue any");
}

#[test]
fn a_certificate_that_does_not_come_is_asked_for_again() {
    let (mut test, _, outputs) = certified(None, |response| response);
    assert!(matches!(
        &outputs[..],
        [Output::Joined {
            tracker_key: None,
            ..
        }]
    ));
    let cert = wait_for_cert(&mut test);
    assert_eq!(test.now - START, 60 * SECOND);
    // The one we have already: not asked for without end.
    let nearly_over = with_certificate(Response::ok(&cert.transaction_id), test.now, 3, "AAEC");
    assert_eq!(test.respond(nearly_over).poll().len(), 1);
    wait_for_cert(&mut test);
    assert_eq!(test.now - START, 120 * SECOND);
}

#[test]
fn certificates_that_cannot_be_one_are_dropped() {
    let long = "A".repeat(6000);
    for (cert, life) in [
        ("", 3600),
        ("A", 3600),
        ("*", 3600),
        (long.as_str(), 3600),
        ("AAEC", 0),
    ] {
        let (_, _, outputs) = certified(Some("AAEC"), |response| {
            with_certificate(response, START, life, cert)
        });
        assert!(matches!(
            &outputs[..],
            [Output::Joined {
                tracker_key: None,
                ..
            }]
        ));
    }
    let (_, _, outputs) = certified(None, |response| {
        let mut response = with_certificate(response, START, 3600, "AAEC");
        response.ext.certs[0].swarm_id = B.to_owned();
        response
    });
    assert_eq!(outputs.len(), 1);
}

#[test]
fn a_tracker_that_has_forgotten_us_certifies_after_joining_again() {
    let (mut test, ..) = certified(None, |response| response);
    let cert = wait_for_cert(&mut test);
    let forgotten = Response::failed(&cert.transaction_id, ErrorCode::Forbidden, "not-a-member");
    let connect = only_request(&test.respond(forgotten).poll());
    assert_eq!(actions(&connect), [(Action::Join, A)]);
    test.respond(Response::ok(&connect.transaction_id)).poll();
    wait_for_cert(&mut test);
}
