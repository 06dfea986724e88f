//! Swarms that are listed.

use tracker_protocol::*;
use tracker_ws::{Config, Server, SwarmPolicy};

use crate::http::get;
use crate::peer::*;
use crate::poster::Poster;

fn listed_only(swarm: &str) -> Config {
    Config {
        swarm_policy: SwarmPolicy::AllowList,
        allowed_swarms: vec![swarm.to_owned()],
        ..config()
    }
}

fn refused(response: &Response) -> bool {
    let said = (response.code, response.ext.reason.as_deref());
    said == (ErrorCode::Forbidden, Some("swarm-not-allowed"))
}

#[tokio::test]
async fn only_swarms_that_are_listed_may_be() {
    let url = start(listed_only(A)).await;
    let mut peer = TestPeer::open(&url, 1).await;
    assert!(refused(&peer.connect(vec![join(B)]).await));
    assert_eq!(peer.connect(vec![join(A)]).await.code, ErrorCode::NoError);
    assert!(refused(&peer.find(B, None).await));
    assert!(refused(&peer.connect(vec![join(A), join(B)]).await));
    assert_eq!(peer.find(A, None).await.code, ErrorCode::NoError);
    let mut poster = Poster::new(&url, 2).await;
    assert!(refused(&poster.connect(vec![join(B)]).await));
    assert_eq!(poster.connect(vec![join(A)]).await.code, ErrorCode::NoError);
    assert!(refused(&poster.find(B, None).await));
    let text = get(&url, "/metrics").await;
    let line = "tracker_requests_denied_total{reason=\"swarm-not-allowed\"} 5\n";
    assert!(text.contains(line), "{text}");
}

#[tokio::test]
async fn the_list_is_read_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("swarms.txt");
    std::fs::write(&path, "# none\n").unwrap();
    let config = Config {
        allowed_swarms: Vec::new(),
        allowed_swarms_file: Some(path.clone()),
        ..listed_only(A)
    };
    let (url, reload) = start_with_reload(config.clone()).await;
    let mut peer = TestPeer::open(&url, 1).await;
    assert!(refused(&peer.connect(vec![join(A)]).await));
    std::fs::write(&path, format!("# films\n\n  {A}\r\n{B}")).unwrap();
    let changes = reload.apply(config.clone()).unwrap();
    assert_eq!(
        changes.applied,
        ["swarm_policy: other swarms, keys or denied tokens"]
    );
    let both = vec![join(A), join(B)];
    assert_eq!(peer.connect(both).await.code, ErrorCode::NoError);
    // What is taken off the list ends, except for leaving.
    std::fs::write(&path, A).unwrap();
    reload.apply(config.clone()).unwrap();
    assert!(refused(&peer.find(B, None).await));
    let leave = connect_action(B, Action::Leave, PeerMode::Leech);
    assert_eq!(peer.connect(vec![leave]).await.code, ErrorCode::NoError);
    std::fs::write(&path, format!("{A}\nfilm\n")).unwrap();
    let error = reload.apply(config).unwrap_err();
    assert_eq!(error.key, "allowed_swarms_file");
    let expected = "swarms.txt: line 2: film: is not a swarm ID: 40 to 260 lower-case hex digits";
    assert!(error.reason.ends_with(expected), "{error}");
}

#[tokio::test]
async fn a_list_that_cannot_be_read_ends_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let bound = Server::bind(Config {
        allowed_swarms_file: Some(folder.path().join("missing.txt")),
        ..listed_only(A)
    });
    let error = bound.await.err().expect("an error").to_string();
    assert!(
        error.starts_with("allowed_swarms_file: ") && error.contains("missing.txt: cannot read it: "),
        "{error}"
    );
}
