//! `shoal publish` on media that ffmpeg makes, against an oracle that hashes by the letter of RFC 7574 §5.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use content::{ByteRange, Manifest};
use ppspp::segment_table::SegmentTable;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const CHUNK_SIZE: usize = 1024;

/// 13, then 64 bytes of 1.
const TRACKER_KEY: &str =
    "DQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE";

type Hash = [u8; 32];

fn sha256(bytes: &[u8]) -> Hash {
    Sha256::digest(bytes).into()
}

/// All leaves of a full tree, then layer by layer.
fn naive_root(mut level: Vec<Hash>) -> Hash {
    while level.len() > 1 {
        let parent = |pair: &[Hash]| {
            if pair == [[0; 32]; 2] {
                [0; 32]
            } else {
                sha256(&pair.concat())
            }
        };
        level = level.chunks(2).map(parent).collect();
    }
    level[0]
}

/// The smallest depth whose trees hold every segment.
fn naive_segment_bits(segments: &[Vec<u8>]) -> u32 {
    let chunks = segments
        .iter()
        .map(|segment| segment.len().div_ceil(CHUNK_SIZE))
        .max()
        .unwrap();
    (0..).find(|bits| 1 << bits >= chunks).unwrap()
}

/// Swarm ID from the leaves of all segments laid out by `segment number << segment_bits | chunk number`.
fn naive_swarm_id(segments: &[Vec<u8>]) -> Hash {
    let bits = naive_segment_bits(segments);
    let mut leaves = vec![[0; 32]; segments.len().next_power_of_two() << bits];
    for (number, segment) in segments.iter().enumerate() {
        for (chunk, bytes) in segment.chunks(CHUNK_SIZE).enumerate() {
            leaves[number << bits | chunk] = sha256(bytes);
        }
    }
    naive_root(leaves)
}

/// Runs ffmpeg; `+` in an argument stands for a blank.
fn ffmpeg(folder: &Path, arguments: &str) {
    let arguments = arguments
        .split_whitespace()
        .map(|argument| argument.replace('+', " "));
    let run = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin"])
        .args(arguments)
        .current_dir(folder)
        .output();
    let run = run.expect("ffmpeg runs");
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
}

const VIDEO: &str =
    "-f lavfi -i testsrc2=s=96x64:r=10 -t 5 -c:v libx264 -preset ultrafast -g 10 -pix_fmt yuv420p";
const HLS: &str = "-f hls -hls_time 1 -hls_playlist_type vod";

fn shoal(arguments: &[&str], input: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_shoal"));
    command.arg("publish").arg(input).args(arguments);
    command.output().unwrap()
}

fn publish(input: &Path) -> (Manifest, String) {
    let run = shoal(
        &[
            "--tracker",
            "ws://127.0.0.1:1/",
            "--chunk-size",
            "1024",
            "--tracker-key",
            TRACKER_KEY,
        ],
        input,
    );
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    assert_eq!(
        String::from_utf8_lossy(&run.stderr),
        "",
        "no progress bar without a terminal"
    );
    let json = fs::read(input.with_file_name("shoal.json")).unwrap();
    let manifest = Manifest::parse(&json).unwrap();
    assert_eq!(
        manifest.tracker_key.map(|key| key.to_string()).as_deref(),
        Some(TRACKER_KEY)
    );
    (manifest, String::from_utf8(run.stdout).unwrap())
}

/// Publishing that must fail, with what it says.
fn refusal(input: &Path) -> String {
    let run = shoal(&["--tracker", "ws://127.0.0.1:1/"], input);
    assert!(!run.status.success());
    assert!(!input.with_file_name("shoal.json").exists());
    String::from_utf8(run.stderr).unwrap()
}

/// Everything in a folder, by its name.
fn snapshot(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            let inner = snapshot(&entry.path());
            files.extend(
                inner
                    .into_iter()
                    .map(|(inner, bytes)| (format!("{name}/{inner}"), bytes)),
            );
        } else {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    files
}

/// Checks one swarm of the manifest against its segments' bytes.
fn check(root: &Path, manifest: &Manifest, playlist: &str, segments: &[Vec<u8>]) {
    let swarm = manifest
        .swarm(playlist)
        .unwrap_or_else(|| panic!("no {playlist}"));
    let vod = swarm.vod().unwrap();
    assert_eq!(swarm.swarm_id.as_ref(), naive_swarm_id(segments), "{playlist}");
    assert_eq!(u32::from(swarm.segment_bits), naive_segment_bits(segments));
    assert_eq!(
        vod.bytes,
        segments.iter().map(|segment| segment.len() as u64).sum::<u64>()
    );
    let table = SegmentTable::decode(&fs::read(root.join(&vod.table)).unwrap()).unwrap();
    assert_eq!(swarm.check_table(&table, manifest.chunk_size), Ok(()));
    let sizes: Vec<_> = table
        .segments
        .iter()
        .map(|segment| segment.size as usize)
        .collect();
    assert_eq!(sizes, segments.iter().map(Vec::len).collect::<Vec<_>>());
}

/// The files of that pattern, numbered from 0, as long as there are any.
fn numbered(root: &Path, name: impl Fn(usize) -> String) -> Vec<Vec<u8>> {
    let found: Vec<_> = (0..)
        .map_while(|number| fs::read(root.join(name(number))).ok())
        .collect();
    assert!(found.len() > 1);
    found
}

/// The byte ranges of a playlist with explicit offsets.
fn ranges(playlist: &str, file: &[u8]) -> Vec<Vec<u8>> {
    let tags = playlist
        .lines()
        .filter_map(|line| line.strip_prefix("#EXT-X-BYTERANGE:"));
    let range = |tag: &str| {
        let (length, offset) = tag.split_once('@').unwrap();
        let (length, offset): (usize, usize) = (length.parse().unwrap(), offset.parse().unwrap());
        file[offset..offset + length].to_vec()
    };
    tags.map(range).collect()
}

#[test]
fn multivariant_fmp4_with_audio() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    ffmpeg(
        root,
        "-f lavfi -i testsrc2=s=96x64:r=10 -f lavfi -i sine -t 5 -map 0:v -map 0:v -map 1:a -c:v libx264 -preset ultrafast \
         -g 10 -pix_fmt yuv420p -s:v:1 64x32 -c:a aac -f hls -hls_time 1 -hls_playlist_type vod -hls_segment_type fmp4 \
         -master_pl_name index.m3u8 -hls_fmp4_init_filename init_%v.mp4 -hls_segment_filename s_%v_%d.m4s \
         -var_stream_map v:0,agroup:aud+v:1,agroup:aud+a:0,agroup:aud,default:yes out_%v.m3u8",
    );
    let before = snapshot(root);
    let (manifest, summary) = publish(&root.join("index.m3u8"));
    assert_eq!(manifest.trackers, ["ws://127.0.0.1:1/"]);
    let playlists: Vec<_> = manifest
        .swarms
        .iter()
        .map(|swarm| swarm.playlist.as_str())
        .collect();
    assert_eq!(playlists, ["out_0.m3u8", "out_1.m3u8", "out_2.m3u8"]);
    for (number, swarm) in manifest.swarms.iter().enumerate() {
        let segments = numbered(root, |segment| format!("s_{number}_{segment}.m4s"));
        check(root, &manifest, &swarm.playlist, &segments);
        let [init] = swarm.inits.as_slice() else {
            panic!("{:?}", swarm.inits)
        };
        assert_eq!(
            (init.uri.as_str(), init.range),
            (format!("init_{number}.mp4").as_str(), None)
        );
        assert_eq!(
            init.sha256.as_bytes(),
            &sha256(&fs::read(root.join(&init.uri)).unwrap())
        );
        let line = format!(
            "{}: {} segments, {} bytes, swarm {}",
            swarm.playlist,
            segments.len(),
            swarm.vod().unwrap().bytes,
            swarm.swarm_id
        );
        assert!(summary.contains(&line), "{summary}");
    }
    assert!(manifest.swarms[0].codecs.as_deref().unwrap().starts_with("avc1."));
    assert!(!manifest.swarms[0].codecs.as_deref().unwrap().contains(','));
    assert_eq!(manifest.swarms[2].codecs.as_deref(), Some("mp4a.40.2"));

    let after = snapshot(root);
    let added: Vec<_> = after
        .keys()
        .filter(|name| !before.contains_key(*name))
        .map(String::as_str)
        .collect();
    assert_eq!(
        added,
        [
            "shoal.json",
            "shoal/out_0.segments",
            "shoal/out_1.segments",
            "shoal/out_2.segments"
        ]
    );
    assert!(
        before.iter().all(|(name, bytes)| after[name] == *bytes),
        "media is never touched"
    );
    publish(&root.join("index.m3u8"));
    assert_eq!(snapshot(root), after, "the same input gives the same bytes");
}

#[test]
fn transport_stream() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    ffmpeg(
        root,
        &format!("{VIDEO} {HLS} -hls_segment_filename t%d.ts index.m3u8"),
    );
    let (manifest, _) = publish(&root.join("index.m3u8"));
    check(
        root,
        &manifest,
        "index.m3u8",
        &numbered(root, |number| format!("t{number}.ts")),
    );
    assert_eq!((manifest.swarms.len(), manifest.swarms[0].inits.len()), (1, 0));
    assert_eq!(manifest.swarms[0].codecs, None);
}

#[test]
fn byte_ranges() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    ffmpeg(
        root,
        &format!("{VIDEO} {HLS} -hls_flags single_file -hls_segment_type fmp4 whole.m3u8"),
    );
    let (manifest, _) = publish(&root.join("whole.m3u8"));
    let text = fs::read_to_string(root.join("whole.m3u8")).unwrap();
    let file = fs::read(root.join("whole.m4s")).unwrap();
    let segments = ranges(&text, &file);
    assert!(segments.len() > 1);
    check(root, &manifest, "whole.m3u8", &segments);
    let init = &manifest.swarms[0].inits[0];
    let ByteRange { offset, length } = init.range.unwrap();
    assert_eq!((init.uri.as_str(), offset), ("whole.m4s", 0));
    assert_eq!(init.sha256.as_bytes(), &sha256(&file[..length as usize]));

    // The same without the offsets that follow from the segment before.
    let mut first = true;
    let implicit = text.lines().map(|line| match line.split_once('@') {
        Some((range, _)) if line.starts_with("#EXT-X-BYTERANGE") && !std::mem::take(&mut first) => range,
        _ => line,
    });
    let implicit = implicit.collect::<Vec<_>>().join("\n");
    assert_ne!(implicit.trim(), text.trim());
    fs::write(root.join("whole.m3u8"), implicit).unwrap();
    assert_eq!(publish(&root.join("whole.m3u8")).0, manifest);

    fs::write(root.join("whole.m4s"), &file[..file.len() - 1]).unwrap();
    fs::remove_file(root.join("shoal.json")).unwrap();
    let error = refusal(&root.join("whole.m3u8"));
    let line = text.lines().count() - 1;
    assert!(
        error.contains(&format!("whole.m3u8, line {line}: bytes up to {}", file.len())),
        "{error}"
    );
}

#[test]
fn plain_files() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    // Content and root of the published vector P(7162).
    let content: Vec<u8> = (0..7162_usize).map(|i| (7 * i + 13 * (i >> 8)) as u8).collect();
    let file = root.join("my film.bin");
    fs::write(&file, &content).unwrap();
    let (manifest, summary) = publish(&file);
    check(root, &manifest, "my%20film.bin", std::slice::from_ref(&content));
    let swarm = &manifest.swarms[0];
    let id = "67bb4763101bf31c7fc544f5016b82bbc187ca082e070971221ed2ed6e872b4f";
    assert_eq!(
        (
            swarm.swarm_id.to_string().as_str(),
            swarm.vod().unwrap().segments,
            swarm.segment_bits
        ),
        (id, 1, 3)
    );
    assert_eq!(swarm.vod().unwrap().table, "shoal/my_20film.bin.segments");
    assert!(
        summary.starts_with(&format!("my%20film.bin: 1 segment, 7162 bytes, swarm {id}\n")),
        "{summary}"
    );

    let other = root.join("other.bin");
    fs::write(&other, b"x").unwrap();
    let run = shoal(&["--tracker", "wss://x/", "--chunk-size", "1024"], &other);
    assert!(run.status.success());
    let warning = String::from_utf8(run.stderr).unwrap();
    assert!(warning.contains("no longer covers my%20film.bin"), "{warning}");
}

#[test]
fn folders_below_and_another_to_write_to() {
    let folder = TempDir::new().unwrap();
    let (root, out) = (folder.path().join("media"), folder.path().join("out"));
    fs::create_dir_all(root.join("v 0/seg")).unwrap();
    fs::create_dir_all(root.join("shared")).unwrap();
    let multivariant = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nv%200/x.m3u8?quality=low\n\
        #EXT-X-STREAM-INF:BANDWIDTH=2\n./v%200/x.m3u8\n";
    let media = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MAP:URI=\"../shared/i.mp4\"\n\
        #EXTINF:1,\nseg/0.m4s?a#b\n#EXTINF:1,\nseg/1.m4s\n#EXT-X-ENDLIST\n";
    fs::write(root.join("index.m3u8"), multivariant).unwrap();
    fs::write(root.join("v 0/x.m3u8"), media).unwrap();
    let segments = [vec![1; 5000], vec![2; 1]];
    fs::write(root.join("v 0/seg/0.m4s"), &segments[0]).unwrap();
    fs::write(root.join("v 0/seg/1.m4s"), &segments[1]).unwrap();
    fs::write(root.join("shared/i.mp4"), b"init").unwrap();
    let before = snapshot(&root);
    let arguments = [
        "--tracker",
        "wss://x/",
        "--chunk-size",
        "1024",
        "--out",
        out.to_str().unwrap(),
    ];
    assert!(shoal(&arguments, &root.join("index.m3u8")).status.success());
    assert_eq!(snapshot(&root), before);
    let manifest = Manifest::parse(fs::read(out.join("shoal.json")).unwrap()).unwrap();
    assert_eq!(
        manifest.swarms.len(),
        1,
        "a playlist that two variants name is published once"
    );
    check(&out, &manifest, "v%200/x.m3u8", &segments);
    assert_eq!(manifest.swarms[0].inits[0].uri, "shared/i.mp4");
    assert_eq!(
        snapshot(&out).keys().collect::<Vec<_>>(),
        ["shoal.json", "shoal/v_200_x.segments"]
    );
}

#[test]
fn refusals_name_file_and_line() {
    let folder = TempDir::new().unwrap();
    let root = folder.path();
    let input = root.join("index.m3u8");
    fs::write(root.join("a.ts"), b"a").unwrap();
    fs::write(root.join("empty.ts"), b"").unwrap();
    fs::create_dir(root.join("dir.ts")).unwrap();
    let media = |uri: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{uri}\n#EXT-X-ENDLIST\n");
    let variant = |uri: &str| format!("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n{uri}\n");
    for (text, want) in [
        (media("none.ts"), "index.m3u8, line 4: cannot read "),
        (media("empty.ts"), "index.m3u8, line 4: "),
        (media("empty.ts"), "is empty"),
        (media("dir.ts"), "is not a file"),
        (
            media("https://other.example/a.ts"),
            "index.m3u8, line 4: https://other.example/a.ts is on another server",
        ),
        (
            media("/a.ts"),
            "index.m3u8, line 4: /a.ts starts at the server's root",
        ),
        (
            media("../a.ts"),
            "index.m3u8, line 4: ../a.ts leaves the playlist's folder",
        ),
        (media("%2e%2e/a.ts"), "leaves the playlist's folder"),
        (
            media("a.ts").replace("#EXT-X-ENDLIST", ""),
            "index.m3u8: no EXT-X-ENDLIST, so it is live: that is for `shoal origin`",
        ),
        (
            media("a.ts").replace("#EXTINF:1,", "#EXT-X-GAP\n#EXTINF:1,"),
            "index.m3u8, line 5: a segment with EXT-X-GAP",
        ),
        (
            media("a.ts").replace("#EXTINF:1,", "#EXTINF:one,"),
            "index.m3u8, line 3: EXTINF: duration is not a decimal number",
        ),
        (
            "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-ENDLIST\n".into(),
            "index.m3u8: no segments",
        ),
        ("<html>".into(), "index.m3u8, line 1: does not start with #EXTM3U"),
        (variant("none.m3u8"), "index.m3u8, line 3: cannot read "),
        (
            variant("http://x/y.m3u8"),
            "index.m3u8, line 3: http://x/y.m3u8 is on another server",
        ),
        (
            variant("index.m3u8"),
            "index.m3u8, line 3: index.m3u8 is a multivariant playlist itself",
        ),
    ] {
        fs::write(&input, &text).unwrap();
        let error = refusal(&input);
        assert!(error.contains(want), "{text}\n{error}");
    }
    assert!(refusal(&root.join("missing.mp4")).contains("cannot read"));
    assert!(refusal(&root.join("dir.ts")).contains("is a folder"));
    assert!(refusal(&root.join("empty.ts")).contains("is empty"));
    let wrong = shoal(&["--tracker", "https://x/"], &root.join("a.ts"));
    let error = String::from_utf8(wrong.stderr).unwrap();
    assert!(
        error.contains("trackers[0]: not a ws:// or wss:// URL"),
        "{error}"
    );
    assert!(
        !shoal(
            &["--tracker", "wss://x/", "--chunk-size", "100"],
            &root.join("a.ts")
        )
        .status
        .success()
    );
    assert!(!shoal(&[], &root.join("a.ts")).status.success());
    assert!(!root.join("shoal.json").exists() && !root.join("shoal").exists());
}
