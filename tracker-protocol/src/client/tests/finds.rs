//! FIND: when, and for whom it asks.

use super::*;

#[test]
fn asks_for_peers_when_neighbours_are_few() {
    let mut test = Test::joined();
    let joined = test.now;
    let find = only_request(&test.wait());
    assert_eq!(test.now - joined, 10 * SECOND);
    assert!(matches!(&find.body, RequestBody::Find(find) if find.swarm_id == A));
    let outputs = test.respond(listed(&find.transaction_id, &["aa"])).poll();
    assert!(matches!(&outputs[..], [Output::Peers { .. }]));
    // Ten seconds later again, naming those connected.
    test.input(Input::Neighbours {
        swarm: A.to_owned(),
        peers: vec!["aa".to_owned()],
    });
    let before = test.now;
    let find = only_request(&test.wait());
    assert_eq!(
        (test.now - before, &find.ext.exclude[..]),
        (10 * SECOND, &["aa".to_owned()][..])
    );
    test.respond(listed(&find.transaction_id, &[])).poll();
    // Four are enough: the next timer is the report's.
    test.input(Input::Neighbours {
        swarm: A.to_owned(),
        peers: vec!["p".to_owned(); 6],
    });
    let report = only_request(&test.wait());
    assert!(matches!(report.body, RequestBody::StatReport(_)));
}

#[test]
fn empty_lists_make_it_ask_soon_and_then_less_often() {
    let mut test = Test::new(&[&["ws://t.example/ppsp"]]);
    test.join(A, PeerMode::Leech).poll();
    let connect = test.handshake();
    test.respond(listed(&connect.transaction_id, &[])).poll();
    let mut finds = vec![test.now];
    while finds.len() < 14 {
        for request in requests(&test.wait()) {
            let response = match request.body {
                RequestBody::Find(_) => {
                    finds.push(test.now);
                    listed(&request.transaction_id, &[])
                }
                _ => Response::ok(&request.transaction_id),
            };
            test.respond(response).poll();
        }
    }
    let gaps: Vec<u64> = finds
        .windows(2)
        .map(|pair| (pair[1] - pair[0]) / (SECOND / 1000))
        .collect();
    let expected = [
        500, 750, 1125, 1687, 2531, 3796, 5695, 8542, 12_814, 25_628, 51_257, 60_000, 60_000,
    ];
    for (gap, expected) in gaps.iter().zip(expected) {
        let jittered = expected * 3 / 4..=expected * 5 / 4 + 1;
        assert!(jittered.contains(gap), "{gaps:?}");
    }
    // What another node hears of within a second or two is found before three have passed.
    let third: u64 = gaps[..3].iter().sum();
    assert!(gaps[0] < 1000 && (1500..3000).contains(&third), "{gaps:?}");
}

/// A list of swarm A, which has so many members.
fn listed_of(id: &str, peers: &[&str], members: u64) -> Response {
    let mut response = listed(id, peers);
    response.swarm_result[0].ext.members = Some(members);
    response
}

#[test]
fn of_a_large_swarm_those_with_the_next_chunk_are_wanted() {
    let mut test = Test::joined();
    let swarm = A.to_owned();
    test.input(Input::Near { swarm, chunk: 4100 });
    let mut find = |members: u64, peers: &[&str]| {
        let before = test.now;
        let find = loop {
            let request = only_request(&test.wait());
            if matches!(request.body, RequestBody::Find(_)) {
                break request;
            }
            test.respond(Response::ok(&request.transaction_id)).poll();
        };
        let waited = test.now - before;
        test.respond(listed_of(&find.transaction_id, peers, members))
            .poll();
        (find.ext.near, waited)
    };
    assert_eq!(find(10, &["aa"]), (None, 10 * SECOND), "its size is not known");
    assert_eq!(find(11, &["aa"]), (None, 10 * SECOND), "not many to choose from");
    assert_eq!(find(11, &["aa"]), (Some(4100), 10 * SECOND));
    assert_eq!(find(11, &[]), (Some(4100), 10 * SECOND));
    // Nobody has it: anybody, and soon.
    let (near, waited) = find(11, &["aa"]);
    assert!(near.is_none() && waited < SECOND, "{near:?} {waited}");
    assert_eq!(find(11, &["aa"]), (Some(4100), 10 * SECOND));
}
