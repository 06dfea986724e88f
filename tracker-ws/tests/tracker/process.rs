//! The program.

use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tracker_protocol::{ErrorCode, Event};

use crate::peer::*;

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tracker-ws"));
    command
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Starts it on a free port; returns the URL it prints.
async fn spawn() -> (Child, String) {
    spawn_with(&[]).await
}

/// The same, with these flags.
pub async fn spawn_with(flags: &[&str]) -> (Child, String) {
    let arguments = [&["--listen", "127.0.0.1:0"], flags].concat();
    let mut child = command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = within("first line", lines.next_line()).await.unwrap().unwrap();
    let url = line.strip_prefix("tracker-ws listening on ").unwrap().to_owned();
    (child, url)
}

#[tokio::test]
async fn prints_its_url_serves_and_ends_when_asked() {
    let (mut child, url) = spawn().await;
    assert!(
        url.starts_with("ws://127.0.0.1:") && url.ends_with("/ppsp"),
        "{url}"
    );
    let mut peer = TestPeer::joined(&url, 1).await;
    send(&child, "-INT");
    assert!(matches!(peer.event().await, Event::Bye(_)));
    assert_eq!(peer.closed().await, 1001);
    assert!(within("end", child.wait()).await.unwrap().success());
}

/// Sends it a signal.
fn send(child: &Child, signal: &str) {
    let pid = child.id().unwrap().to_string();
    let sent = std::process::Command::new("kill").args([signal, &pid]).status();
    assert!(sent.unwrap().success());
}

#[tokio::test]
async fn the_first_sigterm_drains_and_the_second_ends() {
    for second in ["-TERM", "-INT"] {
        let (mut child, url) = spawn_with(&["--drain-period", "3600"]).await;
        let mut peer = TestPeer::joined(&url, 1).await;
        send(&child, "-TERM");
        // It has heard it as soon as nobody can connect.
        while TcpStream::connect(address(&url)).await.is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(peer.find(A, None).await.code, ErrorCode::NoError);
        send(&child, second);
        assert!(matches!(peer.event().await, Event::Bye(_)));
        assert_eq!(peer.closed().await, 1001);
        assert!(within("end", child.wait()).await.unwrap().success());
    }
}

#[tokio::test]
async fn dialects_are_chosen() {
    let arguments = ["--listen", "127.0.0.1:0", "--dialect", "webtorrent"];
    let mut child = command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = within("first line", lines.next_line()).await.unwrap().unwrap();
    let url = line.strip_prefix("tracker-ws listening on ").unwrap();
    assert!(url.ends_with("/announce"), "{url}");
    let response = crate::http::get(url, "/ppsp").await;
    assert!(response.starts_with("HTTP/1.1 404 "), "{response}");
    let output = command(&["--dialect", "gopher"]).output();
    let output = within("end", output).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(
        !output.status.success() && said.contains("gopher") && said.contains("webtorrent"),
        "{said}"
    );
}

/// Starts it with these options; returns the key it says it has.
async fn tracker_key(options: &[&str]) -> String {
    let arguments = [&["--listen", "127.0.0.1:0"], options].concat();
    let mut child = command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = within("first line", lines.next_line()).await.unwrap().unwrap();
    let url = line.strip_prefix("tracker-ws listening on ").unwrap();
    TestPeer::open(url, 1).await.hello.tracker_key.unwrap()
}

#[tokio::test]
async fn the_key_is_made_once_and_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("tracker.pem");
    let file = file.to_str().unwrap();
    let output = within("end", command(&["--key", file]).output()).await.unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success());
    assert!(
        text.contains("key: cannot read the key") && text.contains("(create_key makes one)"),
        "{text}"
    );
    let created = tracker_key(&["--key", file, "--create-key"]).await;
    assert_eq!(tracker_key(&["--key", file]).await, created);
    assert_eq!(tracker_key(&["--key", file, "--create-key"]).await, created);
    // Without one it is another every time.
    assert_ne!(tracker_key(&[]).await, tracker_key(&[]).await);
}

#[tokio::test]
async fn says_what_is_wrong() {
    let (_child, url) = spawn().await;
    for (arguments, expected) in [
        (["--listen", address(&url)], "cannot listen on 127.0.0.1:"),
        (["--listen", "192.0.2.1:1"], "cannot listen on 192.0.2.1:1: "),
    ] {
        let output = within("end", command(&arguments).output()).await.unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && text.contains(expected),
            "{arguments:?}: {text}"
        );
    }
}

#[tokio::test]
async fn nobody_manages_without_a_good_token_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("token");
    let file = file.to_str().unwrap();
    let both = ["--listen", "127.0.0.1:0", "--management-listen", "127.0.0.1:0"];
    let arguments = [&both[..], &["--management-token-file", file]].concat();
    for (content, expected) in [
        (None, "No such file"),
        (Some(""), "a token has 16 to 256 characters"),
        (Some("0123 456789abcdef"), "a token has letters, digits and"),
        (Some(&*"x".repeat(257)), "a token has 16 to 256 characters"),
    ] {
        if let Some(content) = content {
            std::fs::write(file, content).unwrap();
        }
        let output = within("end", command(&arguments).output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && said.contains("management.token_file: ") && said.contains(expected),
            "{said}"
        );
    }
    std::fs::write(file, "0123456789abcdef\n").unwrap();
    let mut child = command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = within("first line", lines.next_line()).await.unwrap().unwrap();
    let (_, rest) = line.split_once("/ppsp and http://").expect("two URLs");
    let manager = crate::manager::Manager {
        address: rest.strip_suffix("/ (management)").unwrap().to_owned(),
    };
    assert_eq!(manager.get("/v1/health").await["phase"], "serving");
    let (_child, url) = spawn().await;
    let taken = ["--listen", "127.0.0.1:0", "--management-listen", address(&url)];
    let arguments = [&taken[..], &["--management-token-file", file]].concat();
    let output = within("end", command(&arguments).output()).await.unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("cannot listen on 127.0.0.1:"), "{said}");
}

#[tokio::test]
async fn a_cost_map_that_cannot_be_used_is_named() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/alto/");
    let (network, costs) = (
        format!("{folder}network-map.json"),
        format!("{folder}cost-map.json"),
    );
    let maps =
        |network: &str, costs: &str| ["--network-map", network, "--cost-map", costs].map(str::to_owned);
    let swapped = maps(&costs, &network);
    let swapped = swapped.each_ref().map(String::as_str);
    for (arguments, expected) in [
        (&swapped[..], "cost-map.json: network-map: missing"),
        (&swapped[..2], "--cost-map <FILE>"),
    ] {
        let output = within("end", command(arguments).output()).await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(!output.status.success() && said.contains(expected), "{said}");
    }
    let good = maps(&network, &costs);
    let mut arguments = vec!["--listen", "127.0.0.1:0"];
    arguments.extend(good.iter().map(String::as_str));
    let mut child = command(&arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = within("first line", lines.next_line()).await.unwrap();
    assert!(line.is_some_and(|line| line.starts_with("tracker-ws listening on ")));
}
