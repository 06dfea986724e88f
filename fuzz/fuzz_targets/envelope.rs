//! SIGNAL in its plain form: what is passed on unread is what the reader of all forms reads.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tracker_protocol::{Event, FromTracker, Request, RequestBody};
use tracker_ws::fuzzing::passed_on;

fuzz_target!(|data: &[u8]| {
    let Ok(frame) = std::str::from_utf8(data) else {
        return;
    };
    let Some((read, push)) = passed_on(frame) else {
        return;
    };
    let whole = Request::decode(frame).expect("a right request");
    assert_eq!(
        (&read.transaction_id, &read.peer_id, &read.ext),
        (&whole.transaction_id, &whole.peer_id, &whole.ext)
    );
    let (RequestBody::Signal(read), RequestBody::Signal(whole)) = (read.body, whole.body) else {
        panic!("no SIGNAL: {frame}");
    };
    let route = (read.kind, &read.swarm, &read.from, &read.to, &read.oid, read.n, read.ts);
    assert_eq!(
        route,
        (whole.kind, &whole.swarm, &whole.from, &whole.to, &whole.oid, whole.n, whole.ts)
    );
    match FromTracker::decode(&push) {
        Ok(FromTracker::Event(Event::Signal(pushed))) => assert_eq!(pushed, whole),
        other => panic!("{other:?} of {frame}"),
    }
});
