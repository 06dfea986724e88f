//! New settings while the tracker runs.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{ChildStderr, Command};
use tracker_protocol::*;
use tracker_ws::{Config, Rate};

use crate::http::get;
use crate::peer::*;

#[tokio::test]
async fn limits_apply_to_those_who_are_there() {
    let before = config();
    let (url, reload) = start_with_reload(before.clone()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    for _ in 0..10 {
        assert_eq!(peer.find(A, None).await.code, ErrorCode::NoError);
    }
    let few = Rate {
        per_second: 1,
        burst: 2,
    };
    let changes = reload.apply(Config {
        requests: few,
        max_peers: 1,
        max_sdp: 256,
        ..before.clone()
    });
    let changes = changes.unwrap();
    assert_eq!(
        changes.applied,
        [
            "max_peers: 16384 → 1",
            "max_sdp: 8192 → 256",
            "requests: { burst = 100000, per_second = 100000 } → { burst = 2, per_second = 1 }"
        ]
    );
    assert!(changes.need_restart.is_empty());
    while peer.find(A, None).await.code != ErrorCode::Unavailable {}
    let mut newcomer = TestPeer::open(&url, 2).await;
    assert_eq!(newcomer.hello.limits.sdp, 256);
    assert_eq!(newcomer.connect(vec![join(A)]).await.code, ErrorCode::Unavailable);
    // And back.
    assert_eq!(reload.apply(before).unwrap().applied.len(), 3);
    assert_eq!(newcomer.connect(vec![join(A)]).await.code, ErrorCode::NoError);
}

#[tokio::test]
async fn the_cluster_stays_and_its_password_is_not_shown() {
    let (_url, reload) = start_with_reload(config()).await;
    let changes = reload.apply(Config {
        cluster: Some("redis://:secret@engine.example".to_owned()),
        node_url: Some("wss://one.example/ppsp".to_owned()),
        ..config()
    });
    let changes = changes.unwrap();
    assert_eq!(
        changes.need_restart,
        ["cluster", "node_url: none → \"wss://one.example/ppsp\""]
    );
    assert!(changes.applied.is_empty());
}

#[tokio::test]
async fn dialects_and_origins_apply_to_new_sockets() {
    let before = config();
    let (url, reload) = start_with_reload(before.clone()).await;
    let mut peer = TestPeer::joined(&url, 1).await;
    assert!(get(&url, "/announce").await.starts_with("HTTP/1.1 404 "));
    let changes = reload.apply(Config {
        webtorrent: true,
        allow_origins: vec!["https://site.example".to_owned()],
        ..before
    });
    assert_eq!(
        changes.unwrap().applied,
        [
            "allow_origins: [] → [\"https://site.example\"]",
            "webtorrent: false → true"
        ]
    );
    // No page: no origin.
    assert!(get(&url, "/announce").await.starts_with("HTTP/1.1 403 "));
    assert_eq!(peer.find(A, None).await.code, ErrorCode::NoError);
}

#[tokio::test]
async fn what_cannot_change_is_told_each_time() {
    let before = config();
    let (url, reload) = start_with_reload(before.clone()).await;
    let after = Config {
        listen: ([127, 0, 0, 1], 1).into(),
        max_peers: 7,
        ..before
    };
    let listen = ["listen: \"127.0.0.1:0\" → \"127.0.0.1:1\""];
    let changes = reload.apply(after.clone()).unwrap();
    assert_eq!(
        (changes.applied.len(), &*changes.need_restart),
        (1, &listen.map(str::to_owned)[..])
    );
    let changes = reload.apply(after.clone()).unwrap();
    assert_eq!(
        (changes.applied.len(), &*changes.need_restart),
        (0, &listen.map(str::to_owned)[..])
    );
    // What is wrong changes nothing.
    let wrong = Config {
        max_peers: 0,
        max_sockets: 1,
        ..after
    };
    assert_eq!(reload.apply(wrong).unwrap_err().key, "max_peers");
    let _both = (TestPeer::joined(&url, 1).await, TestPeer::joined(&url, 2).await);
}

/// Reads on to a line that says this.
pub async fn logged(lines: &mut Lines<BufReader<ChildStderr>>, expected: &str) {
    within(expected, async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains(expected) {
                return;
            }
        }
        panic!("not logged: {expected}");
    })
    .await;
}

#[tokio::test]
async fn sighup_reads_the_file_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("tracker.toml");
    let write = |text: &str| std::fs::write(&path, text).unwrap();
    write("max_peers = 10\n");
    let mut child = Command::new(env!("CARGO_BIN_EXE_tracker-ws"))
        .args(["--config", path.to_str().unwrap(), "--listen", "127.0.0.1:0"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = within("first line", said.next_line()).await.unwrap().unwrap();
    let url = line.strip_prefix("tracker-ws listening on ").unwrap();
    let mut log = BufReader::new(child.stderr.take().unwrap()).lines();
    let pid = child.id().unwrap().to_string();
    let hang_up = || {
        let sent = std::process::Command::new("kill").args(["-HUP", &pid]).status();
        assert!(sent.unwrap().success());
    };
    write("max_peers = 20\nlog = \"debug\"\n");
    hang_up();
    logged(
        &mut log,
        "settings that need a restart: log: \"info\" → \"debug\"",
    )
    .await;
    logged(&mut log, "settings changed: max_peers: 10 → 20").await;
    write("max_peers = 20\n");
    hang_up();
    logged(&mut log, "settings read again, none changed").await;
    write("max_peers = 20\nmax_piers = 1\n");
    hang_up();
    logged(&mut log, "tracker.toml:2:1: unknown field `max_piers`").await;
    assert_eq!(
        TestPeer::joined(url, 1).await.find(A, None).await.code,
        ErrorCode::NoError
    );
}
