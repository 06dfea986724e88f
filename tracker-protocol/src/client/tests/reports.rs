//! STAT_REPORT: when, and what it says.

use super::*;
use crate::{ChunkMap, MapReport, Stat, StatExt};

#[test]
fn reports_every_interval_with_the_newest_statistics() {
    let mut test = Test::joined();
    test.input(Input::Neighbours {
        swarm: A.to_owned(),
        peers: vec!["p".to_owned(); 6],
    });
    let of = |swarm: &str| Stat {
        swarm_id: swarm.to_owned(),
        uploaded_bytes: 5,
        ..Stat::default()
    };
    for _ in 0..20 {
        let before = test.now;
        test.now = test.client.poll_timeout().unwrap();
        assert_eq!(test.input(Input::Timeout).poll(), [Output::ReportDue]);
        let stats = vec![of(B), of(A)];
        let report = only_request(&test.input(Input::Stats(stats)).poll());
        assert!(
            (24 * SECOND..=36 * SECOND).contains(&(test.now - before)),
            "{}",
            test.now - before
        );
        assert_eq!(report.body, RequestBody::StatReport(vec![of(A)]));
        test.respond(Response::ok(&report.transaction_id)).poll();
    }
    test.event(Event::Config(Config {
        interval: Some(100),
        ..Config::default()
    }))
    .poll();
    only_request(&test.wait());
    let before = test.now;
    test.respond(Response::ok("22")).poll();
    assert!(test.client.poll_timeout().unwrap() - before >= 80 * SECOND);
}

/// A report of swarm A whose map has chunks 0 to `held`.
fn having(held: u64) -> Stat {
    let mut map = ChunkMap::default();
    map.push(0..held);
    Stat {
        swarm_id: A.to_owned(),
        ext: StatExt {
            map: Some(MapReport {
                first: 0,
                map,
                delta: false,
            }),
            ..StatExt::default()
        },
        ..Stat::default()
    }
}

impl Test {
    /// How many chunks the next report says it has, of so many.
    fn told(&mut self, held: u64) -> Option<u64> {
        let mut outputs = self.input(Input::Stats(vec![having(held)])).poll();
        // The test is not always in time with it.
        outputs.retain(|output| *output != Output::ReportDue);
        let request = only_request(&outputs);
        self.respond(Response::ok(&request.transaction_id)).poll();
        let RequestBody::StatReport(stats) = request.body else {
            panic!("{request:?}")
        };
        let map = stats[0].ext.map.as_ref()?;
        Some(map.map.ranges().iter().map(|range| range.end - range.start).sum())
    }
}

#[test]
fn a_chunk_map_is_told_when_it_is_news_and_once_a_minute() {
    let mut test = Test::joined();
    // With neighbours enough, nothing else is asked meanwhile.
    test.input(Input::Neighbours {
        swarm: A.to_owned(),
        peers: vec!["p".to_owned(); 6],
    });
    assert_eq!(test.told(5), Some(5));
    test.now += 59 * SECOND;
    assert_eq!(test.told(6), None);
    test.now += SECOND;
    assert_eq!(test.told(5), None, "known");
    assert_eq!(test.told(7), Some(7));
    // Another session begins with nothing.
    let reason = "reset".to_owned();
    test.input(Input::SocketClosed { reason }).poll();
    let outputs = test.wait();
    assert!(matches!(outputs[..], [Output::Open(_)]), "{outputs:?}");
    assert!(
        test.input(Input::Stats(vec![having(7)])).poll().is_empty(),
        "not joined"
    );
    let connect = test.handshake();
    test.respond(Response::ok(&connect.transaction_id)).poll();
    assert_eq!(test.told(7), Some(7));
}

#[test]
fn who_has_everything_tells_no_map() {
    let mut test = Test::joined();
    let connect = only_request(&test.join(A, PeerMode::Seeder).poll());
    test.respond(Response::ok(&connect.transaction_id)).poll();
    assert_eq!(test.told(9), None);
}
