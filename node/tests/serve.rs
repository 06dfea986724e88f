//! `shoal serve` over real HTTP, with requests written by hand: no client that tidies them up.

#[path = "common/http.rs"]
mod http;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use http::Answer;
use tempfile::TempDir;

struct Server {
    child: Child,
    address: String,
    _folder: TempDir,
}

impl Server {
    /// A server of a small site, with `extra` arguments ("{}" stands for its folder).
    fn start(extra: &[&str]) -> Self {
        let folder = TempDir::new().unwrap();
        let root = folder.path();
        let write = |name: &str, bytes: &[u8]| {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), bytes).unwrap();
        };
        write("secret.txt", b"not to be served");
        write("site/index.html", b"<p>front");
        write("site/sub/index.html", b"<p>sub");
        write("site/a.m3u8", b"#EXTM3U\n");
        write("site/v.ts", &(0..=255).collect::<Vec<u8>>());
        write("site/a b.json", b"{}");
        write("site/big.bin", &vec![7; 3_000_000]);
        for name in [
            "x.mpd",
            "x.m4s",
            "x.mp4",
            "x.js",
            "x.mjs",
            "x.wasm",
            "x.vtt",
            "x.segments",
            "x.unknown",
        ] {
            write(&format!("site/{name}"), b"x");
        }
        write("dist/shoal.js", b"export {}");
        write("dist/sub/index.html", b"<p>dist");
        let extra = extra
            .iter()
            .map(|argument| argument.replace("{}", root.to_str().unwrap()));
        let mut child = Command::new(env!("CARGO_BIN_EXE_shoal"))
            .arg("serve")
            .arg(root.join("site"))
            .args(["--listen", "127.0.0.1:0"])
            .args(extra)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        let address = line
            .trim_end()
            .strip_suffix('/')
            .unwrap()
            .rsplit_once("http://")
            .unwrap()
            .1
            .to_owned();
        assert!(line.starts_with("shoal serving "), "{line}");
        Self {
            child,
            address,
            _folder: folder,
        }
    }

    fn root(&self) -> &Path {
        self._folder.path()
    }

    fn connect(&self, request: &str, headers: &[&str]) -> TcpStream {
        http::send(&self.address, request, headers)
    }

    fn ask(&self, request: &str, headers: &[&str]) -> Answer {
        http::ask(&self.address, request, headers)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn whole_files_and_types() {
    let server = Server::start(&[]);
    for (path, kind) in [
        ("/", "text/html; charset=utf-8"),
        ("/sub/", "text/html; charset=utf-8"),
        ("/a.m3u8", "application/vnd.apple.mpegurl"),
        ("/a%20b.json", "application/json"),
        ("/v.ts", "video/mp2t"),
        ("/x.mpd", "application/dash+xml"),
        ("/x.m4s", "video/iso.segment"),
        ("/x.mp4", "video/mp4"),
        ("/x.js?v=1", "text/javascript; charset=utf-8"),
        ("/x.mjs", "text/javascript; charset=utf-8"),
        ("/x.wasm", "application/wasm"),
        ("/x.vtt", "text/vtt; charset=utf-8"),
        ("/x.segments", "application/octet-stream"),
        ("/x.unknown", "application/octet-stream"),
    ] {
        let answer = server.ask(&format!("GET {path}"), &["Origin: http://page.example"]);
        assert_eq!(
            (answer.status, answer.header("content-type")),
            (200, kind),
            "{path}"
        );
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert_eq!(answer.header("access-control-allow-origin"), "*");
        assert!(
            answer
                .header("access-control-expose-headers")
                .contains("content-range")
        );
        assert_eq!(answer.header("cache-control"), "no-cache");
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert!(!answer.header("etag").is_empty() && !answer.header("last-modified").is_empty());
    }
    assert_eq!(server.ask("GET /", &[]).body, b"<p>front");
    let redirect = server.ask("GET /sub", &[]);
    assert_eq!((redirect.status, redirect.header("location")), (307, "/sub/"));
    assert_eq!(server.ask("POST /v.ts", &[]).status, 405);
}

#[test]
fn ranges() {
    let server = Server::start(&[]);
    for (range, status, content_range, body) in [
        ("bytes=0-0", 206, "bytes 0-0/256", 0..=0),
        ("bytes=10-19", 206, "bytes 10-19/256", 10..=19),
        ("bytes=250-", 206, "bytes 250-255/256", 250..=255),
        ("bytes=-2", 206, "bytes 254-255/256", 254..=255),
        ("bytes=250-9999", 206, "bytes 250-255/256", 250..=255),
        ("lines=1-2", 200, "", 0..=255),
        ("bytes=0-1,5-6", 200, "", 0..=255),
    ] {
        let answer = server.ask("GET /v.ts", &[&format!("Range: {range}")]);
        assert_eq!(
            (answer.status, answer.header("content-range")),
            (status, content_range),
            "{range}"
        );
        assert_eq!(answer.body, body.collect::<Vec<u8>>(), "{range}");
        assert_eq!(answer.header("content-type"), "video/mp2t");
    }
    let beyond = server.ask("GET /v.ts", &["Range: bytes=256-"]);
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, "bytes */256")
    );
}

#[test]
fn head_has_the_headers_only() {
    let server = Server::start(&[]);
    let answer = server.ask("HEAD /v.ts", &[]);
    assert_eq!(
        (answer.status, answer.header("content-length"), answer.body.len()),
        (200, "256", 0)
    );
    assert_eq!(answer.header("content-type"), "video/mp2t");
    assert_eq!(server.ask("HEAD /none", &[]).status, 404);
}

#[test]
fn conditional_requests() {
    let server = Server::start(&[]);
    let first = server.ask("GET /v.ts", &[]);
    let (tag, date) = (first.header("etag"), first.header("last-modified"));
    let unchanged = server.ask("GET /v.ts", &[&format!("If-None-Match: {tag}")]);
    assert_eq!((unchanged.status, unchanged.body.len()), (304, 0));
    assert_eq!(
        server
            .ask("GET /v.ts", &[&format!("If-Modified-Since: {date}")])
            .status,
        304
    );
    for (condition, status) in [(tag, 206), (date, 206), ("\"other\"", 200), ("W/\"x\"", 200)] {
        let answer = server.ask(
            "GET /v.ts",
            &["Range: bytes=1-2", &format!("If-Range: {condition}")],
        );
        assert_eq!(answer.status, status, "{condition}");
    }
    fs::write(server.root().join("site/v.ts"), b"again").unwrap();
    let answer = server.ask("GET /v.ts", &[&format!("If-None-Match: {tag}")]);
    assert_eq!(
        (answer.status, answer.body.as_slice()),
        (200, b"again".as_slice())
    );
}

#[test]
fn nothing_outside_the_folder() {
    let server = Server::start(&["--mount", "/js={}/dist"]);
    for path in [
        "/none",
        "/../secret.txt",
        "/..%2fsecret.txt",
        "/%2e%2e/secret.txt",
        "/%2e%2e%2fsecret.txt",
        "/sub/..%2f..%2fsecret.txt",
        "/..%5csecret.txt",
        "//secret.txt",
        "/js/../secret.txt",
        "/js/..%2fsecret.txt",
        "/js/%2e%2e/secret.txt",
        "/v.ts%00",
        "/v.ts/",
        "/%ff",
    ] {
        let answer = server.ask(&format!("GET {path}"), &[]);
        assert!(matches!(answer.status, 400 | 404), "{path}: {}", answer.status);
        assert!(!answer.body.starts_with(b"not to"), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), "*", "{path}");
    }
    let absolute = format!("/{}", server.root().join("secret.txt").display());
    assert_eq!(server.ask(&format!("GET {absolute}"), &[]).status, 404);
}

#[test]
fn preflight() {
    let server = Server::start(&[]);
    let answer = server.ask(
        "OPTIONS /v.ts",
        &[
            "Origin: http://page.example",
            "Access-Control-Request-Method: GET",
            "Access-Control-Request-Headers: range",
        ],
    );
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("access-control-allow-origin"), "*");
    assert_eq!(answer.header("access-control-allow-headers"), "*");
    assert!(answer.header("access-control-allow-methods").contains("GET"));
}

#[test]
fn mounts() {
    let server = Server::start(&["--mount", "/js={}/dist", "--mount", "/deep/er={}/site/sub"]);
    assert_eq!(server.ask("GET /js/shoal.js", &[]).body, b"export {}");
    assert_eq!(server.ask("GET /deep/er/", &[]).body, b"<p>sub");
    assert_eq!(server.ask("GET /a.m3u8", &[]).body, b"#EXTM3U\n");
    assert_eq!(server.ask("GET /js/a.m3u8", &[]).status, 404);
    let redirect = server.ask("GET /js/sub", &[]);
    assert_eq!((redirect.status, redirect.header("location")), (307, "/js/sub/"));
}

#[test]
fn access_log_counts_what_went_out() {
    let server = Server::start(&["--access-log", "{}/log"]);
    server.ask("GET /v.ts?x=1", &["Range: bytes=10-19"]);
    server.ask("HEAD /v.ts", &[]);
    server.ask("GET /none", &[]);
    server.ask("GET /big.bin", &[]);
    // A client that goes away after the head of the response.
    let mut stream = server.connect("GET /big.bin", &[]);
    stream.read_exact(&mut [0; 12]).unwrap();
    drop(stream);
    let path = server.root().join("log");
    let lines = loop {
        let log = fs::read_to_string(&path).unwrap();
        if log.lines().count() == 5 {
            break log.lines().map(str::to_owned).collect::<Vec<_>>();
        }
        std::thread::yield_now();
    };
    let entries: Vec<serde_json::Value> = lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let fields = |index: usize| {
        let entry = &entries[index];
        (
            entry["method"].as_str().unwrap(),
            entry["path"].as_str().unwrap(),
            entry["status"].as_u64().unwrap(),
        )
    };
    assert_eq!(fields(0), ("GET", "/v.ts?x=1", 206));
    assert_eq!(
        (entries[0]["range"].as_str(), entries[0]["bytes"].as_u64()),
        (Some("bytes=10-19"), Some(10))
    );
    assert_eq!(fields(1), ("HEAD", "/v.ts", 200));
    assert_eq!(
        (entries[1]["range"].is_null(), entries[1]["bytes"].as_u64()),
        (true, Some(0))
    );
    assert_eq!(
        (fields(2), entries[2]["bytes"].as_u64()),
        (("GET", "/none", 404), Some(0))
    );
    assert_eq!(
        (fields(3), entries[3]["bytes"].as_u64()),
        (("GET", "/big.bin", 200), Some(3_000_000))
    );
    assert!(entries[3]["ms"].is_u64());
    assert_eq!(fields(4), ("GET", "/big.bin", 200));
}

#[cfg(unix)]
#[test]
fn ends_when_told() {
    for signal in ["INT", "TERM"] {
        let mut server = Server::start(&[]);
        assert_eq!(server.ask("GET /", &[]).status, 200);
        let id = server.child.id().to_string();
        assert!(
            Command::new("kill")
                .args([&format!("-{signal}"), &id])
                .status()
                .unwrap()
                .success()
        );
        assert!(server.child.wait().unwrap().success(), "SIG{signal}");
    }
}

#[test]
fn wrong_arguments_are_refused() {
    let folder = TempDir::new().unwrap();
    let refuse = |arguments: &[&str]| {
        let run = Command::new(env!("CARGO_BIN_EXE_shoal"))
            .arg("serve")
            .args(arguments)
            .output()
            .unwrap();
        assert!(!run.status.success());
        String::from_utf8(run.stderr).unwrap()
    };
    let root = folder.path().to_str().unwrap();
    assert!(refuse(&[&format!("{root}/none")]).contains("cannot read"));
    assert!(refuse(&[root, "--mount", "js"]).contains("want PREFIX=DIR"));
    assert!(
        refuse(&[
            root,
            "--mount",
            &format!("/a={root}"),
            "--mount",
            &format!("/a={root}")
        ])
        .contains("given twice")
    );
}
