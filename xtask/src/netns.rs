//! A network of the browser tests' own. Chromium gathers ICE candidates only on an interface with a default route,
//! and nothing that the tests do may leave this machine: a network namespace with a route to nowhere gives both.

use crate::process::{command, succeeds};
use crate::setup;
use std::process::Command;

/// Sets the namespace up and becomes the command given as arguments.
const SCRIPT: &str = r#"set -e
PATH=$PATH:/usr/sbin:/sbin
ip link set lo up
ip link add shoal0 type veth peer name shoal1
ip address add 10.203.0.1/24 dev shoal0
ip link set shoal0 up
ip link set shoal1 up
ip route add default via 10.203.0.2 dev shoal0
exec "$@"
"#;

/// How a namespace can be had here.
pub struct Isolation {
    unshare: Option<&'static [&'static str]>,
}

impl Isolation {
    /// Tries what this machine allows. Without any, tests run in the machine's own network, and this says so.
    pub fn find() -> Self {
        let ways: &[&'static [&'static str]] = if setup::is_root() {
            &[&["--net"]]
        } else {
            &[&["--user", "--map-root-user", "--net"]]
        };
        for way in ways {
            let isolation = Self { unshare: Some(way) };
            if succeeds(&mut isolation.command("true")) {
                return isolation;
            }
        }
        println!("no network namespace can be made here: browsers run in this machine's own network");
        Self { unshare: None }
    }

    /// A command that runs inside.
    pub fn command(&self, program: &str) -> Command {
        let Some(options) = self.unshare else {
            return command(program);
        };
        let mut command = command("unshare");
        command
            .args(options)
            .args(["--", "sh", "-c", SCRIPT, "sh", program]);
        command
    }
}
