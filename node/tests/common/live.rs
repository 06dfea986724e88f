//! A packager that writes what a test wants, the origin beside it, and a viewer who believes nothing.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use content::hls::{self, Playlist};
use content::{Integrity, Manifest};
use p256::ecdsa::signature::Verifier;
use ppspp::Hash;
use ppspp::hash::root_of;
use ppspp::live::SignatureAlgorithm;
use ppspp::proof::SegmentProof;
use tempfile::TempDir;

use crate::http::{self, Answer};

/// What tests wait for comes within this time, or never.
const DEADLINE: Duration = Duration::from_secs(30);

/// Asks again and again until there is an answer.
#[allow(clippy::disallowed_methods, reason = "a test owns a clock")]
pub fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < DEADLINE, "waited in vain");
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

/// A segment that looks like fMP4: three chunks of 16 KiB and some.
pub fn segment(number: u64) -> Vec<u8> {
    let body: Vec<u8> = (0..50_000_u64)
        .map(|at| (at * 7 + at / 256 * 13 + number) as u8)
        .collect();
    let length = (body.len() as u32 + 8).to_be_bytes();
    [
        &[0, 0, 0, 16][..],
        b"styp",
        b"msdh\0\0\0\0",
        &length,
        b"mdat",
        &body,
    ]
    .concat()
}

pub struct Packager {
    folder: PathBuf,
    _temporary: Option<TempDir>,
}

impl Packager {
    pub fn new() -> Self {
        let temporary = TempDir::new().unwrap();
        Self {
            folder: temporary.path().join("out"),
            _temporary: Some(temporary),
        }
        .made()
    }

    fn made(self) -> Self {
        fs::create_dir_all(&self.folder).unwrap();
        self
    }

    /// A packager of a folder in this one's.
    pub fn folder(&self, name: &str) -> Self {
        Self {
            folder: self.path(name),
            _temporary: None,
        }
        .made()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn text(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Has an init section, which playlists name from then on.
    pub fn init(&self) {
        fs::write(self.path("init.mp4"), b"\0\0\0\x08ftyp").unwrap();
    }

    /// Writes a segment, in place.
    pub fn segment(&self, number: u64, bytes: &[u8]) {
        fs::write(self.path(&format!("{number}.m4s")), bytes).unwrap();
    }

    /// Writes the playlist: to another file that takes its place, or in place.
    pub fn list(&self, numbers: Range<u64>, atomically: bool) {
        let text = self.playlist(numbers);
        if atomically {
            fs::write(self.path("live.m3u8.tmp"), text).unwrap();
            fs::rename(self.path("live.m3u8.tmp"), self.path("live.m3u8")).unwrap();
        } else {
            self.text("live.m3u8", &text);
        }
    }

    /// Writes the playlist that ends the stream.
    pub fn end(&self, numbers: Range<u64>) {
        self.text("live.m3u8", &(self.playlist(numbers) + "#EXT-X-ENDLIST\n"));
    }

    fn playlist(&self, numbers: Range<u64>) -> String {
        let mut text = format!(
            "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:{}\n",
            numbers.start
        );
        if self.path("init.mp4").exists() {
            text += "#EXT-X-MAP:URI=\"init.mp4\"\n";
        }
        for number in numbers {
            text += &format!("#EXTINF:2.0,\n{number}.m4s\n");
        }
        text
    }

    /// Writes segments and the playlist.
    pub fn publish(&self, numbers: Range<u64>) {
        self.publish_from(numbers.clone(), numbers.start);
    }

    /// Writes segments from `first` on, and the playlist of all.
    pub fn publish_from(&self, numbers: Range<u64>, first: u64) {
        for number in first..numbers.end {
            self.segment(number, &segment(number));
        }
        self.list(numbers, true);
    }
}

/// `shoal origin`. Killed in the end.
pub struct Origin {
    child: Child,
    address: String,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
}

impl Origin {
    pub fn start(packager: &Packager, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_shoal"))
            .args([
                "origin",
                "--tracker",
                "ws://127.0.0.1:1/",
                "--listen",
                "127.0.0.1:0",
            ])
            .args(arguments)
            .arg(packager.path(""))
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (found, address) = mpsc::channel();
        let stdout = collect(child.stdout.take().unwrap(), move |line| {
            if let Some((_, url)) = line.split_once(" on http://") {
                let _ = found.send(url.trim_end().trim_end_matches('/').to_owned());
            }
        });
        let stderr = collect(child.stderr.take().unwrap(), |_| {});
        let Ok(address) = address.recv_timeout(DEADLINE) else {
            panic!("it did not start: {}", stderr.lock().unwrap());
        };
        Self {
            child,
            address,
            stdout,
            stderr,
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn ask(&self, request: &str, headers: &[&str]) -> Answer {
        http::ask(&self.address, request, headers)
    }

    pub fn get(&self, path: &str) -> Answer {
        self.ask(&format!("GET {path}"), &[])
    }

    pub fn manifest(&self) -> Manifest {
        let answer = self.get("/shoal.json");
        assert_eq!(answer.status, 200, "{}", self.log());
        Manifest::parse(&answer.body).unwrap()
    }

    /// The numbers in the segments' names, in the playlist's order.
    pub fn listed(&self) -> Vec<u64> {
        let answer = self.get("/live.m3u8");
        assert_eq!(answer.status, 200, "{}", self.log());
        let text = String::from_utf8(answer.body).unwrap();
        match hls::parse(&text) {
            Ok(Playlist::Media(playlist)) => {
                let names = playlist
                    .segments
                    .iter()
                    .map(|segment| segment.uri.strip_suffix(".m4s"));
                names.map(|name| name.unwrap().parse().unwrap()).collect()
            }
            other => panic!("{other:?}: {text:?}"),
        }
    }

    pub fn proof(&self, name: u64) -> Option<SegmentProof> {
        self.proof_at(&format!("/{name}.m4s.ppsp"))
    }

    pub fn proof_at(&self, path: &str) -> Option<SegmentProof> {
        let answer = self.get(path);
        (answer.status == 200).then(|| SegmentProof::decode(&answer.body).unwrap())
    }

    /// What it complained of so far.
    pub fn log(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Waits until it has complained of this.
    pub fn complains(&self, what: &str) {
        wait_for(&self.stderr, what);
    }

    /// Waits until it has printed this.
    pub fn prints(&self, what: &str) {
        wait_for(&self.stdout, what);
    }
}

#[allow(clippy::disallowed_methods, reason = "a test owns a clock")]
fn wait_for(text: &Mutex<String>, what: &str) {
    let start = Instant::now();
    while !text.lock().unwrap().contains(what) {
        let text = text.lock().unwrap();
        assert!(start.elapsed() < DEADLINE, "no {what:?} in {text:?}");
        drop(text);
        std::thread::park_timeout(Duration::from_millis(10));
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn collect(from: impl Read + Send + 'static, on_line: impl Fn(&str) + Send + 'static) -> Arc<Mutex<String>> {
    let text = Arc::new(Mutex::new(String::new()));
    let kept = Arc::clone(&text);
    std::thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            kept.lock().unwrap().push_str(&format!("{line}\n"));
            on_line(&line);
        }
    });
    text
}

/// Checks a proof by the letter of RFC 7574 §6.1, with nothing of the origin's own code. The last signature's time.
pub fn verify(proof: &SegmentProof, manifest: &Manifest, bytes: &[u8]) -> u64 {
    let swarm = manifest.swarm("live.m3u8").unwrap();
    let live = swarm.live().unwrap();
    assert_eq!(proof.integrity, live.integrity.method());
    assert_eq!(proof.segment_bits, swarm.segment_bits);
    assert_eq!(proof.size, bytes.len() as u64);
    let chunks: Vec<&[u8]> = bytes.chunks(manifest.chunk_size as usize).collect();
    let leaves: Vec<Hash> = chunks.iter().map(|chunk| Hash::of_chunk(chunk)).collect();
    assert_eq!(proof.root, root_of(&leaves, swarm.segment_bits));
    let first = proof.segment << swarm.segment_bits;
    let messages: Vec<Vec<u8>> = match live.integrity {
        Integrity::Unified => {
            let last = first | ((1 << swarm.segment_bits) - 1);
            vec![message(
                first,
                last,
                proof.signatures[0].time.0,
                proof.root.as_ref(),
            )]
        }
        Integrity::SignAll => {
            let signed = chunks.iter().zip(&proof.signatures).zip(first..);
            signed
                .map(|((chunk, entry), number)| message(number, number, entry.time.0, chunk))
                .collect()
        }
    };
    assert_eq!(messages.len(), proof.signatures.len());
    let key = swarm.live_key().unwrap();
    for (message, entry) in messages.iter().zip(&proof.signatures) {
        match key.algorithm() {
            SignatureAlgorithm::EcdsaP256Sha256 => {
                let point = [&[4], key.key()].concat();
                let key = p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).unwrap();
                let signature = p256::ecdsa::Signature::from_slice(&entry.signature).unwrap();
                key.verify(message, &signature).unwrap();
            }
            SignatureAlgorithm::Ed25519 => {
                let key = ed25519_dalek::VerifyingKey::from_bytes(key.key().try_into().unwrap()).unwrap();
                let signature = ed25519_dalek::Signature::from_bytes(&entry.signature);
                key.verify_strict(message, &signature).unwrap();
            }
        }
    }
    proof.signatures.last().unwrap().time.0
}

fn message(first: u32, last: u32, time: u64, signed: &[u8]) -> Vec<u8> {
    [
        &first.to_be_bytes()[..],
        &last.to_be_bytes(),
        &time.to_be_bytes(),
        signed,
    ]
    .concat()
}
