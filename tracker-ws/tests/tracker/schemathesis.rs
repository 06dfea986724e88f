//! The management API against its own document, by schemathesis, on a tracker with peers in it.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;
use tracker_ws::Config;

use crate::manager::{self, Managed, TOKEN};
use crate::peer::*;

const VERSION: &str = "4.32.5";
const SEED: &str = "1";
/// A machine that does other things meanwhile needs minutes for what takes seconds.
const PATIENCE: Duration = Duration::from_secs(600);

/// The program in an environment of its own below `target/`, installed when it is missing.
async fn installed() -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(format!("schemathesis-{VERSION}"));
    let program = folder.join("bin/schemathesis");
    let mut works = Command::new(&program);
    works.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    if works.status().await.is_ok_and(|status| status.success()) {
        return program;
    }
    let folder = folder.to_str().unwrap();
    run(Command::new("python3").args(["-m", "venv", "--clear", folder])).await;
    let package = format!("schemathesis=={VERSION}");
    let pip = format!("{folder}/bin/pip");
    let quiet = ["install", "--quiet", "--disable-pip-version-check"];
    run(Command::new(pip).args(quiet).arg(package)).await;
    program
}

/// Runs a program that shall succeed.
async fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output();
    let output = timeout(PATIENCE, output).await.expect("it ends in time");
    let output = output.unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    let (said, complained) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{command:?}:\n{said}\n{complained}");
    said
}

/// Everything that schemathesis checks, with `least` calls; `options` say where and with what.
async fn check(program: &Path, config: &str, address: &str, options: &[&str], least: u64) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("schemathesis.toml"), config).unwrap();
    let document = format!("http://{address}/v1/openapi.json");
    let header = format!("Authorization: Bearer {TOKEN}");
    let mut schemathesis = Command::new(program);
    schemathesis
        .current_dir(folder.path())
        .env("HYPOTHESIS_STORAGE_DIRECTORY", folder.path())
        .args([
            "run",
            &document,
            "--checks",
            "all",
            "--header",
            &header,
            "--no-color",
            // What it finds with another is found again with that, and not by chance.
            "--seed",
            SEED,
        ])
        .args(options);
    let said = run(&mut schemathesis).await;
    let counts = said
        .lines()
        .find(|line| line.contains(" generated, "))
        .expect("counts");
    let generated: u64 = counts.split_whitespace().next().unwrap().parse().unwrap();
    println!("{}", counts.trim());
    assert!(generated >= least && !counts.contains("failed"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn schemathesis_finds_nothing() {
    let program = installed().await;
    let long = Duration::from_secs(3600);
    let Managed {
        url, manager, ended, ..
    } = manager::start(Config {
        webtorrent: true,
        drain_period: long,
        track_timeout: Some(long),
        lost_timeout: long,
        ping_interval: long,
        ..config()
    })
    .await;
    let mut peers = Vec::new();
    for seed in 1..=5 {
        peers.push(TestPeer::joined(&url, seed).await);
        crate::management::report(peers.last_mut().unwrap(), 2, 0..u64::from(seed) * 100).await;
    }
    // With these peers and their swarm, but for what sends them away.
    let id = peers[0].id();
    let real = format!(
        "[parameters]\n\"path.peer_id\" = \"{id}\"\n\"path.swarm_id\" = \"{A}\"\n\"query.swarm\" = \"{A}\"\n"
    );
    let kept = ["--exclude-path", "/v1/bans", "--exclude-path", "/v1/drain"];
    check(
        &program,
        &real,
        &manager.address,
        &[&kept[..], &["--max-examples", "8"]].concat(),
        400,
    )
    .await;
    assert_eq!(manager.get("/v1/health").await["peers"], 5);
    // Draining with nobody there would be the end; so one by one.
    let drain = ["--include-path", "/v1/drain", "--max-examples", "8"];
    check(&program, "", &manager.address, &drain, 5).await;
    assert_eq!(manager.get("/v1/health").await["phase"], "draining");
    assert!(!ended.is_finished());

    // With whatever comes to its mind, until everybody is banned.
    let Managed {
        url, manager, ended, ..
    } = manager::start(config()).await;
    for seed in 1..=5 {
        peers.push(TestPeer::joined(&url, seed).await);
    }
    let all = ["--exclude-path", "/v1/drain", "--max-examples", "12"];
    check(&program, "", &manager.address, &all, 500).await;
    assert!(!ended.is_finished());
}
