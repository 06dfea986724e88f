//! `cargo xtask bench tracker`: tracker-ws under load, beside bittorrent-tracker and the least that relays at all, each
//! server on a core of its own and in turns, for the machine is not the same from one minute to the next.

use crate::process::{self, cargo, command, npm, root, run, run_quietly, target};
use crate::servers::Server;
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

/// Every server has its turn so often.
const ROUNDS: usize = 3;
/// In open loop, where most of the time goes by between two events: what they cost differs by a sixth from turn to turn.
const OPEN_ROUNDS: usize = 7;
/// Of one measurement.
const SECONDS: &str = "5";
const NODE_FOLDER: &str = "tracker-ws/load/bittorrent-tracker";
/// Offers in a second, open loop: less than any of the servers takes.
const RATE: &str = "2000";
/// Offers in a second for half of the load that tracker-ws takes with PPSP, on a core shared with nobody.
const HALF: &str = "5000";
/// Offers in a second for next to no load.
const UNLOADED: &str = "100";

/// Every limit is on, and above what one address with all of the peers needs.
const SETTINGS: &str = "log = \"warn\"
listen = \"127.0.0.1:0\"
webtorrent = true
max_sockets = 100000
max_peers = 100000
sockets_per_address = 1000000
new_sockets = { per_second = 1000000, burst = 1000000 }
requests = { per_second = 1000000, burst = 1000000 }
signals = { per_second = 1000000, burst = 1000000 }
swarm_requests = { per_second = 1000000, burst = 1000000 }
receivers_per_minute = 10000
queue = 65536
";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    BittorrentTracker,
    Relay,
    Webtorrent,
    Ppsp,
}

impl Kind {
    const ALL: [Self; 4] = [Self::BittorrentTracker, Self::Relay, Self::Webtorrent, Self::Ppsp];

    fn name(self) -> &'static str {
        match self {
            Self::BittorrentTracker => "bittorrent-tracker",
            Self::Relay => "bare relay",
            Self::Webtorrent => "tracker-ws, WebTorrent",
            Self::Ppsp => "tracker-ws, PPSP",
        }
    }

    /// On the first core.
    fn start(self) -> Result<Server> {
        let mut pinned = undisturbed("0");
        match self {
            Self::BittorrentTracker => pinned.arg("node").arg(root().join(NODE_FOLDER).join("server.js")),
            Self::Relay => pinned.arg(built("tracker-relay")),
            Self::Webtorrent | Self::Ppsp => pinned.arg(built("tracker-ws")).arg("--config").arg(settings()),
        };
        Server::start(self.name(), &mut pinned)
    }

    /// Measures a server of its own with these options of `tracker-load`, which has the second core.
    fn measure(self, options: &[&str]) -> Result<Value> {
        let server = self.start()?;
        let pid = server.id().to_string();
        let mut load = undisturbed("1");
        load.arg(built("tracker-load"));
        load.args(["--json", "--seconds", SECONDS, "--pid", &pid]);
        let (origin, path) = server.url.rsplit_once('/').unwrap_or((&server.url, ""));
        match self {
            Self::Ppsp => load.args(["--url", &server.url]),
            Self::Webtorrent => {
                load.args(["--dialect", "webtorrent", "--url", &format!("{origin}/announce")])
            }
            _ => load.args(["--dialect", "webtorrent", "--url", &format!("{origin}/{path}")]),
        };
        let report = process::output(load.args(options)).with_context(|| self.name().to_owned())?;
        Ok(serde_json::from_str(&report)?)
    }
}

/// A program on this core, before all others there as far as the system allows it: in a scheduling group of its own, of
/// the greatest weight. Without that, times are those of whatever else the machine does.
fn undisturbed(core: &str) -> Command {
    const GROUP: &str = "echo -20 2>/dev/null >/proc/self/autogroup; exec taskset --cpu-list \"$@\"";
    let mut program = command("setsid");
    // In a session of its own, it does not hear of Ctrl-C.
    program.args(["setpriv", "--pdeathsig", "TERM", "sh", "-c", GROUP, "sh", core]);
    program
}

fn built(name: &str) -> PathBuf {
    server_profile().join(name)
}

/// Where cargo puts what it builds, which may not be in the repository.
fn server_profile() -> PathBuf {
    let folder = target();
    folder.join("server")
}

fn settings() -> PathBuf {
    server_profile().join("tracker-bench.toml")
}

fn number(report: &Value, path: &str) -> f64 {
    report.pointer(path).and_then(Value::as_f64).unwrap_or(f64::NAN)
}

fn median(reports: &[Value], of: impl Fn(&Value) -> f64) -> f64 {
    let mut values: Vec<f64> = reports.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn relayed(report: &Value) -> f64 {
    number(report, "/traffic/delivered") + number(report, "/traffic/answered")
}

fn per_second(report: &Value) -> f64 {
    relayed(report) / number(report, "/traffic/seconds")
}

/// Had the server its core for itself all the time: the generator's core, and other programs, may be the bottleneck.
fn per_cpu_second(report: &Value) -> f64 {
    relayed(report) / number(report, "/traffic/cpu")
}

/// CPU time of an envelope, µs.
fn cost(report: &Value) -> f64 {
    number(report, "/traffic/cpu") * 1e6 / relayed(report)
}

/// Runs it all and prints the tables. Fails when something cannot be measured, not for what is measured.
pub fn run_all() -> Result<()> {
    let mut build = cargo();
    build.args([
        "build",
        "--quiet",
        "--profile",
        "server",
        "--package",
        "tracker-ws",
    ]);
    run(build.args(["--package", "tracker-load"])).context("tracker-ws and tracker-load do not build")?;
    if !root().join(NODE_FOLDER).join("node_modules").exists() {
        let mut install = npm(NODE_FOLDER);
        install.args([
            "ci",
            "--no-audit",
            "--no-fund",
            "--ignore-scripts",
            "--omit=optional",
        ]);
        run_quietly(&mut install).context("bittorrent-tracker cannot be installed")?;
    }
    for tool in ["taskset", "setsid", "setpriv"] {
        ensure!(process::installed(tool), "{tool} is missing (util-linux)");
    }
    fs::write(settings(), SETTINGS)?;
    let closed = compare(ROUNDS, &[])?;
    let open = compare(OPEN_ROUNDS, &["--rate", RATE])?;
    let [bittorrent, relay, webtorrent, ppsp] = &open;
    println!(
        "\n1,000 sockets, 10 offers of 1.2 KB, medians of {ROUNDS} runs of {SECONDS} s each, {OPEN_ROUNDS} in open loop"
    );
    println!(
        "{:24}{:>12}{:>16}{:>14}",
        "", "closed loop,", "of CPU time,", "open loop,"
    );
    println!("{:24}{:>12}{:>16}{:>14}", "", "1/s", "1/s", "CPU µs each");
    for (kind, (closed, open)) in Kind::ALL.iter().zip(closed.iter().zip(&open)) {
        println!(
            "{:24}{:>12.0}{:>16.0}{:>14.1}",
            kind.name(),
            median(closed, per_second),
            median(closed, per_cpu_second),
            median(open, cost)
        );
    }
    println!();
    let speed = |of: fn(&Value) -> f64| median(&closed[2], of) / median(&closed[0], of);
    target_line("messages/s, × bittorrent-tracker", speed(per_second), 6.0, false);
    target_line(
        "messages per CPU s, × bittorrent-tracker",
        speed(per_cpu_second),
        6.0,
        false,
    );
    for (name, reports) in [("WebTorrent", webtorrent), ("PPSP", ppsp)] {
        let own = median(reports, cost);
        let other = own / median(bittorrent, cost);
        target_line(&format!("{name}: CPU, × bittorrent-tracker"), other, 0.25, true);
        let floor = own / median(relay, cost);
        target_line(&format!("{name}: CPU, × bare relay"), floor, 2.0, true);
        target_line(
            &format!("{name}: offers delivered, %"),
            delivered(reports),
            99.9,
            false,
        );
    }
    for kind in [Kind::Webtorrent, Kind::Ppsp] {
        let idle = repeat(kind, &["--rate", UNLOADED])?;
        let time = median(&idle, |report| number(report, "/traffic/answer/median"));
        target_line(&format!("{}: offer to answer, ms", kind.name()), time, 1.0, true);
    }
    let half = repeat(Kind::Ppsp, &["--rate", HALF])?;
    let spread =
        |report: &Value| number(report, "/traffic/request/p99") / number(report, "/traffic/request/median");
    target_line(
        "FIND under half load, p99 / median",
        median(&half, spread),
        5.0,
        true,
    );
    memory()
}

/// Of all runs together, in percent: what is under way at the beginning and the end nearly evens out.
fn delivered(reports: &[Value]) -> f64 {
    let sum = |path: &str| reports.iter().map(|report| number(report, path)).sum::<f64>();
    100.0 * sum("/traffic/delivered") / sum("/traffic/made")
}

fn memory() -> Result<()> {
    println!();
    for kind in [Kind::Webtorrent, Kind::Ppsp] {
        for sockets in ["10000", "18000"] {
            let report = kind.measure(&["--idle", "--addresses", "4", "--sockets", sockets])?;
            let each = number(&report, "/peer_bytes") / 1024.0;
            target_line(
                &format!("{}, {sockets} peers: KiB each", kind.name()),
                each,
                10.0,
                true,
            );
        }
    }
    Ok(())
}

fn target_line(what: &str, value: f64, target: f64, at_most: bool) {
    let holds = if at_most { value <= target } else { value >= target };
    let sign = if at_most { '≤' } else { '≥' };
    let verdict = if holds { "" } else { "   MISSED" };
    println!("{what:52}{value:>9.2}  (target {sign} {target}){verdict}");
}

/// All servers in turns; the reports of each.
fn compare(rounds: usize, options: &[&str]) -> Result<[Vec<Value>; 4]> {
    let mut reports: [Vec<Value>; 4] = Default::default();
    for round in 1..=rounds {
        println!("round {round} of {rounds}: {}", options.join(" "));
        for (kind, reports) in Kind::ALL.iter().zip(&mut reports) {
            reports.push(kind.measure(options)?);
        }
    }
    Ok(reports)
}

fn repeat(kind: Kind, options: &[&str]) -> Result<Vec<Value>> {
    (0..ROUNDS).map(|_| kind.measure(options)).collect()
}
