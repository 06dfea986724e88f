//! A real Redis for tests.

use std::process::Stdio;

use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::peer::within;

/// A running `redis-server`, on a socket of its own, without any other client.
pub struct Redis {
    folder: TempDir,
    options: Vec<String>,
    child: Child,
}

impl Redis {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// With these options besides.
    pub async fn start_with(options: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
        let child = spawn(&folder, &options).await;
        Self {
            folder,
            options,
            child,
        }
    }

    fn socket(&self) -> String {
        self.folder.path().join("redis.sock").to_str().unwrap().to_owned()
    }

    pub fn url(&self) -> String {
        format!("redis+unix://{}", self.socket())
    }

    /// The path of its socket.
    pub fn path(&self) -> String {
        self.socket()
    }

    /// It dies at once.
    pub async fn kill(&mut self) {
        self.child.kill().await.unwrap();
    }

    /// It runs again, and has forgotten all.
    pub async fn restart(&mut self) {
        self.child = spawn(&self.folder, &self.options).await;
    }

    /// It stands still: connections stay, nothing is answered.
    pub fn pause(&self) {
        self.signal("-STOP");
    }

    pub fn resume(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args([signal, &pid]).status();
        assert!(sent.unwrap().success());
    }

    /// To look at what is in it, and to write what no node would.
    pub async fn connection(&self) -> MultiplexedConnection {
        let client = redis::Client::open(self.url()).unwrap();
        within("engine", client.get_multiplexed_async_connection())
            .await
            .unwrap()
    }
}

/// What a server of an engine answers to a command.
pub async fn ask<T: FromRedisValue>(connection: &mut MultiplexedConnection, words: &[&str]) -> T {
    let mut command = redis::cmd(words[0]);
    command.arg(&words[1..]).query_async(connection).await.unwrap()
}

async fn spawn(folder: &TempDir, options: &[String]) -> Child {
    let socket = folder.path().join("redis.sock");
    let mut command = Command::new("redis-server");
    command
        .args(["--port", "0", "--unixsocket"])
        .arg(&socket)
        .arg("--dir")
        .arg(folder.path())
        .args(options);
    launch(command).await
}

/// Starts a server that keeps nothing, and waits until it is there.
pub async fn launch(mut command: Command) -> Child {
    let mut child = command
        .args(["--save", "", "--appendonly", "no"])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("redis-server: `cargo xtask test` installs it");
    let stdout = child.stdout.take().unwrap();
    let mut lines = BufReader::new(stdout).lines();
    let ready = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if line.contains("eady to accept connections") {
                // It goes on talking, and must not wait for a reader.
                tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
                return;
            }
        }
        panic!("redis-server has ended");
    };
    within("redis-server", ready).await;
    child
}
