//! `shoal origin` beside a packager: a fake one that writes what a test wants, and ffmpeg.

#[path = "common/http.rs"]
mod http;
#[path = "common/live.rs"]
mod live;

use std::fs;
use std::process::{Command, Stdio};

use content::Integrity;
use content::hls::{self, Playlist};
use http::{receive, send};
use live::{Origin, Packager, segment, until, verify};

const UNIFIED: &[&str] = &[];

#[test]
fn proofs_verify_with_the_key_that_is_the_swarm_id() {
    for (algorithm, integrity) in [
        ("p256", "unified"),
        ("p256", "sign-all"),
        ("ed25519", "unified"),
        ("ed25519", "sign-all"),
    ] {
        let packager = Packager::new();
        packager.init();
        packager.publish(7..10);
        let origin = Origin::start(&packager, &["--algorithm", algorithm, "--integrity", integrity]);
        let manifest = origin.manifest();
        assert_eq!(manifest.trackers, ["ws://127.0.0.1:1/"]);
        let swarm = manifest.swarm("live.m3u8").unwrap();
        let live = swarm.live().unwrap();
        let want = if integrity == "unified" {
            Integrity::Unified
        } else {
            Integrity::SignAll
        };
        assert_eq!(
            (live.integrity, live.discard_window, live.segment_ms),
            (want, 30, 2000)
        );
        assert_eq!(swarm.segment_bits, 8);
        assert_eq!(swarm.inits.len(), 1);
        assert_eq!(swarm.inits[0].uri, "init.mp4");
        let mut before = 0;
        for number in 7..10 {
            let proof = origin.proof(number).unwrap();
            assert_eq!(u64::from(proof.segment), number);
            let time = verify(&proof, &manifest, &segment(number));
            assert!(time >= before, "times never fall");
            before = time;
        }
        // The same lies beside the segments, for any other server.
        assert_eq!(
            fs::read(packager.path("shoal.json")).unwrap(),
            manifest.to_json().as_bytes()
        );
        assert_eq!(
            fs::read(packager.path("8.m4s.ppsp")).unwrap(),
            origin.get("/8.m4s.ppsp").body
        );
    }
}

#[test]
fn what_is_served() {
    let packager = Packager::new();
    packager.publish(0..2);
    let origin = Origin::start(&packager, UNIFIED);
    origin.manifest();
    for (path, kind, caching) in [
        ("/shoal.json", "application/json", "no-cache"),
        ("/live.m3u8", "application/vnd.apple.mpegurl", "no-cache"),
        ("/1.m4s", "video/iso.segment", "public, max-age=60"),
        (
            "/1.m4s.ppsp?token=x",
            "application/octet-stream",
            "public, max-age=60",
        ),
    ] {
        let answer = origin.get(path);
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(answer.header("content-type"), kind);
        assert_eq!(answer.header("cache-control"), caching);
        let head = origin.ask(&format!("HEAD {path}"), &[]);
        assert_eq!(
            head.header("content-length"),
            answer.body.len().to_string(),
            "{path}"
        );
        assert!(head.body.is_empty());
        let tag = answer.header("etag");
        if !tag.is_empty() {
            let again = origin.ask(&format!("GET {path}"), &[&format!("If-None-Match: {tag}")]);
            assert_eq!((again.status, again.body.len()), (304, 0), "{path}");
        }
        let elsewhere = origin.ask(&format!("GET {path}"), &["Origin: https://site.example"]);
        assert_eq!(elsewhere.header("access-control-allow-origin"), "*");
    }
    let part = origin.ask("GET /1.m4s", &["Range: bytes=4-7"]);
    assert_eq!((part.status, &part.body[..]), (206, &segment(1)[4..8]));
    assert_eq!(origin.get("/2.m4s.ppsp").status, 404);
    assert_eq!(origin.get("/none.m3u8").status, 404);
    assert_eq!(origin.get("/..%2fx.ppsp").status, 404);
}

#[test]
fn a_playlist_is_held_back_until_its_segments_are_signed() {
    let packager = Packager::new();
    packager.publish(0..2);
    let origin = Origin::start(&packager, UNIFIED);
    assert_eq!(origin.listed(), [0, 1]);
    // Listed before it is there: viewers get the version before.
    packager.list(0..3, false);
    let waiting = send(origin.address(), "GET /2.m4s.ppsp", &[]);
    assert_eq!(origin.listed(), [0, 1]);
    packager.segment(2, &segment(2));
    until(|| (origin.listed() == [0, 1, 2]).then_some(()));
    assert_eq!(origin.get("/2.m4s.ppsp").status, 200);
    // Asked for when neither was there.
    assert!(matches!(receive(waiting).status, 200 | 404));

    // There but not listed yet: the proof is waited for.
    packager.segment(3, &segment(3));
    let waiting = send(origin.address(), "GET /3.m4s.ppsp", &[]);
    packager.list(0..4, false);
    assert_eq!(receive(waiting).status, 200);

    // One that never comes holds nobody up for ever, and is never signed afterwards.
    packager.list(0..5, false);
    until(|| (origin.listed() == [0, 1, 2, 3, 4]).then_some(()));
    origin.complains("segment 4 is not signed");
    packager.publish(0..6);
    until(|| (origin.listed().last() == Some(&5)).then_some(()));
    assert_eq!(origin.get("/4.m4s.ppsp").status, 404);
    assert_eq!(origin.get("/5.m4s.ppsp").status, 200);
}

#[test]
fn no_listed_segment_is_ever_without_its_proof() {
    let packager = Packager::new();
    packager.publish(0..1);
    let origin = Origin::start(&packager, UNIFIED);
    origin.manifest();
    std::thread::scope(|scope| {
        let packing = scope.spawn(|| {
            for end in 2..40_u64 {
                let first = end.saturating_sub(6);
                packager.segment(end - 1, &segment(end - 1));
                packager.list(first..end, end % 2 == 0);
                if first > 0 {
                    let _ = fs::remove_file(packager.path(&format!("{}.m4s", first - 1)));
                }
                // As long as a version has to be at rest, and longer.
                std::thread::park_timeout(std::time::Duration::from_millis(40 + 7 * end));
            }
        });
        let mut versions = 0;
        let mut last = None;
        while !packing.is_finished() {
            let listed = origin.listed();
            let newest = listed.last().copied();
            if newest != last {
                assert!(newest >= last, "never backwards");
                versions += 1;
                last = newest;
                assert_eq!(origin.get(&format!("/{}.m4s.ppsp", newest.unwrap())).status, 200);
            }
        }
        assert!(versions > 5, "{versions} versions seen");
    });
    until(|| (origin.listed().last() == Some(&38)).then_some(()));
    assert_eq!(origin.log(), "");
}

#[test]
fn a_restart_goes_on_with_kept_keys() {
    let packager = Packager::new();
    let keys = tempfile::tempdir().unwrap();
    let arguments = ["--key-dir", keys.path().to_str().unwrap()];
    packager.publish(0..3);
    let origin = Origin::start(&packager, &arguments);
    let first = origin.manifest();
    until(|| origin.proof(2));
    let proofs: Vec<_> = (0..3)
        .map(|number| origin.proof(number).unwrap().encode())
        .collect();
    // Killed, not told to end.
    drop(origin);

    packager.publish(0..5);
    fs::remove_file(packager.path("1.m4s.ppsp")).unwrap();
    fs::write(packager.path("2.m4s.ppsp"), "").unwrap();
    let origin = Origin::start(&packager, &arguments);
    let manifest = origin.manifest();
    assert_eq!(manifest, first);
    let again: Vec<_> = (0..3)
        .map(|number| origin.proof(number).unwrap().encode())
        .collect();
    assert_eq!(again, proofs, "signed once, also where the file was lost");
    let times = (0..5).map(|number| verify(&origin.proof(number).unwrap(), &manifest, &segment(number)));
    assert!(times.collect::<Vec<_>>().is_sorted());
    assert_eq!(origin.log(), "");
    drop(origin);

    // Without the keys it is another swarm, whose proofs take the place of the old ones.
    let origin = Origin::start(&packager, UNIFIED);
    let other = origin.manifest();
    assert_ne!(other.swarms[0].swarm_id, first.swarms[0].swarm_id);
    verify(&origin.proof(0).unwrap(), &other, &segment(0));
    origin.prints("a restart makes new swarms");
}

#[test]
fn a_number_is_never_signed_with_other_content() {
    let packager = Packager::new();
    let keys = tempfile::tempdir().unwrap();
    let arguments = ["--key-dir", keys.path().to_str().unwrap()];
    packager.publish(5..8);
    let origin = Origin::start(&packager, &arguments);
    let manifest = origin.manifest();

    // While it watches: said, and the proof stays what it was.
    packager.segment(6, b"other bytes");
    packager.publish_from(5..9, 8);
    origin.complains("segment 6 changed after it was signed");
    verify(&origin.proof(6).unwrap(), &manifest, &segment(6));
    drop(origin);

    // While it does not: refused, with and without the old proof.
    for kept in [true, false] {
        if !kept {
            let _ = fs::remove_file(packager.path("6.m4s.ppsp"));
        }
        let origin = Origin::start(&packager, &arguments);
        assert_eq!(origin.listed(), [5, 6, 7, 8], "viewers have it over HTTP");
        assert_eq!(origin.get("/6.m4s").body, b"other bytes");
        assert_eq!(origin.get("/6.m4s.ppsp").status, 404);
        assert_eq!(origin.get("/7.m4s.ppsp").status, 200);
        origin.complains("segment 6 is not signed: this number was signed with other content");
    }

    // The packager starts over.
    let origin = Origin::start(&packager, &arguments);
    assert_eq!(origin.listed(), [5, 6, 7, 8]);
    packager.publish(0..2);
    until(|| (origin.listed() == [0, 1]).then_some(()));
    origin.complains("the media sequence ran backwards, 8 is signed");
    assert_eq!(origin.log().matches("ran backwards").count(), 1, "said once");
    assert_eq!(origin.get("/0.m4s.ppsp").status, 404);
    assert_eq!(origin.get("/0.m4s").body, segment(0));
    // Beyond what was signed it goes on.
    packager.publish(9..10);
    until(|| origin.proof(9));
}

#[test]
fn too_large_a_segment_is_left_to_http() {
    let packager = Packager::new();
    packager.publish(0..2);
    packager.segment(1, &vec![1; 200_001]);
    packager.publish_from(0..3, 2);
    let origin = Origin::start(&packager, &["--max-segment", "65536", "--chunk-size", "1024"]);
    assert_eq!(origin.listed(), [0, 1, 2]);
    assert_eq!(origin.manifest().swarms[0].segment_bits, 6);
    let statuses = [0, 1, 2].map(|number| origin.get(&format!("/{number}.m4s.ppsp")).status);
    assert_eq!(statuses, [200, 404, 200]);
    origin.complains("segment 1 is not signed: 200001 bytes, the swarm has room for 65536");
}

#[test]
fn proofs_go_with_their_segments() {
    let packager = Packager::new();
    packager.publish(0..4);
    fs::copy(packager.path("0.m4s"), packager.path("not-a-proof.ppsp")).unwrap();
    let origin = Origin::start(&packager, UNIFIED);
    assert_eq!(origin.listed(), [0, 1, 2, 3]);
    packager.publish(2..5);
    for name in ["0.m4s", "1.m4s"] {
        assert!(
            packager.path(&format!("{name}.ppsp")).exists(),
            "as long as the segment is there"
        );
        fs::remove_file(packager.path(name)).unwrap();
    }
    until(|| (!packager.path("0.m4s.ppsp").exists() && !packager.path("1.m4s.ppsp").exists()).then_some(()));
    assert_eq!(origin.get("/1.m4s.ppsp").status, 404);
    assert_eq!(origin.get("/2.m4s.ppsp").status, 200);
    drop(origin);

    // Those that went while nobody looked.
    fs::remove_file(packager.path("2.m4s")).unwrap();
    let mut old = fs::read(packager.path("2.m4s.ppsp")).unwrap();
    old[11] = 1;
    fs::write(packager.path("1.m4s.ppsp"), old).unwrap();
    packager.publish(3..6);
    let origin = Origin::start(&packager, UNIFIED);
    assert_eq!(origin.listed(), [3, 4, 5]);
    assert!(!packager.path("2.m4s.ppsp").exists());
    assert!(!packager.path("1.m4s.ppsp").exists(), "of an earlier version");
    assert!(packager.path("not-a-proof.ppsp").exists());
}

#[test]
fn a_playlist_that_comes_late_or_goes() {
    let packager = Packager::new();
    packager.text(
        "main.m3u8",
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nlate/live.m3u8\n",
    );
    let late = packager.folder("late");
    let origin = Origin::start(&packager, UNIFIED);
    assert_eq!(origin.get("/main.m3u8").status, 200);
    until(|| (origin.get("/late/live.m3u8").status == 404).then_some(()));
    late.publish(0..2);
    // Never as it lies there: only once it is signed.
    assert_eq!(origin.get("/late/live.m3u8").status, 200);
    assert_eq!(origin.get("/late/1.m4s.ppsp").status, 200);
    fs::remove_file(late.path("live.m3u8")).unwrap();
    until(|| (origin.get("/late/live.m3u8").status == 404).then_some(()));
}

#[test]
fn names_in_turn() {
    let packager = Packager::new();
    packager.publish(0..3);
    let origin = Origin::start(&packager, UNIFIED);
    assert_eq!(origin.listed(), [0, 1, 2]);
    // Segment 3 takes the name of segment 0.
    packager.segment(0, &segment(3));
    packager.text(
        "live.m3u8",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n#EXTINF:2,\n1.m4s\n#EXTINF:2,\n2.m4s\n#EXTINF:2,\n0.m4s\n",
    );
    until(|| (origin.listed() == [1, 2, 0]).then_some(()));
    let proof = origin.proof(0).unwrap();
    assert_eq!(proof.segment, 3);
    verify(&proof, &origin.manifest(), &segment(3));
    assert_eq!(origin.log(), "");
}

#[test]
fn the_end() {
    let packager = Packager::new();
    packager.publish(0..2);
    let origin = Origin::start(&packager, UNIFIED);
    assert_eq!(origin.listed(), [0, 1]);
    packager.segment(2, &segment(2));
    packager.end(0..3);
    let text = until(|| {
        let text = String::from_utf8(origin.get("/live.m3u8").body).unwrap();
        text.contains("#EXT-X-ENDLIST").then_some(text)
    });
    assert!(text.contains("2.m4s"));
    assert!(origin.proof(2).is_some());
    origin.prints("live.m3u8: ended with segment 2");
}

const MULTIVARIANT: &str = "#EXTM3U\n\
    #EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",NAME=\"a\",DEFAULT=YES,URI=\"audio/live.m3u8\"\n\
    #EXT-X-STREAM-INF:BANDWIDTH=40000000,CODECS=\"avc1.42c00d,mp4a.40.2\",AUDIO=\"a\"\nlive.m3u8\n";

#[test]
fn renditions_and_audio_are_swarms_of_their_own() {
    let packager = Packager::new();
    let audio = packager.folder("audio");
    let keys = tempfile::tempdir().unwrap();
    let origin = Origin::start(&packager, &["--key-dir", keys.path().to_str().unwrap()]);
    packager.text("main.m3u8", MULTIVARIANT);
    packager.publish(0..2);
    let early = send(origin.address(), "GET /shoal.json", &[]);
    audio.publish(100..102);
    let early = receive(early);
    assert_eq!(early.status, 200);
    let manifest = origin.manifest();
    assert_eq!(
        early.body,
        manifest.to_json().as_bytes(),
        "not before all of them are known"
    );
    let playlists: Vec<_> = manifest
        .swarms
        .iter()
        .map(|swarm| swarm.playlist.as_str())
        .collect();
    assert_eq!(playlists.len(), 2);
    let [video, audio] = ["live.m3u8", "audio/live.m3u8"].map(|name| manifest.swarm(name).unwrap());
    assert_ne!(video.swarm_id, audio.swarm_id);
    assert_eq!(audio.codecs.as_deref(), Some("mp4a.40.2"));
    assert_eq!(video.codecs.as_deref(), Some("avc1.42c00d"));
    assert_eq!(origin.get("/main.m3u8").body, MULTIVARIANT.as_bytes());
    assert_eq!(origin.get("/audio/101.m4s.ppsp").status, 200);
    for name in ["live.m3u8.pem", "audio%2Flive.m3u8.pem"] {
        let pem = fs::read_to_string(keys.path().join(name)).unwrap();
        assert!(pem.starts_with("-----BEGIN PRIVATE KEY-----"));
    }
    assert_eq!(origin.log(), "");
}

#[test]
fn a_key_that_cannot_be_used_leaves_the_playlist_to_http() {
    let packager = Packager::new();
    packager.publish(0..2);
    packager.folder("audio").publish(0..1);
    packager.text("main.m3u8", MULTIVARIANT);
    let keys = tempfile::tempdir().unwrap();
    // One key, made by an earlier run, for two playlists.
    let pem = keys.path().join("live.m3u8.pem");
    let single = Packager::new();
    single.publish(0..1);
    Origin::start(&single, &["--key-dir", keys.path().to_str().unwrap()]).manifest();
    let origin = Origin::start(&packager, &["--key", pem.to_str().unwrap()]);
    assert_eq!(origin.manifest().swarms.len(), 1);
    assert_eq!(origin.get("/live.m3u8").status, 200);
    assert_eq!(origin.get("/audio/live.m3u8").status, 200);
    origin.complains("every playlist needs its own, see --key-dir");

    // In use.
    let second = Origin::start(&single, &["--key", pem.to_str().unwrap()]);
    assert_eq!(second.get("/live.m3u8").status, 200);
    second.complains("another shoal origin uses this key");
}

#[test]
fn keys_are_never_served() {
    let packager = Packager::new();
    let inside = packager.path("keys");
    let run = Command::new(env!("CARGO_BIN_EXE_shoal"))
        .args([
            "origin",
            "--tracker",
            "ws://127.0.0.1:1/",
            "--listen",
            "127.0.0.1:0",
            "--key-dir",
        ])
        .arg(&inside)
        .arg(packager.path(""))
        .output()
        .unwrap();
    assert!(!run.status.success());
    let said = String::from_utf8(run.stderr).unwrap();
    assert!(said.contains("which everybody can read"), "{said}");
}

/// In real time, for as long as eight seconds of video take.
#[test]
fn ffmpeg() {
    let packager = Packager::new();
    let origin = Origin::start(&packager, UNIFIED);
    let arguments = "-v error -nostdin -re -f lavfi -i testsrc2=s=96x64:r=10 -t 8 -c:v libx264 -preset ultrafast -b:v 100k -g 10 \
        -pix_fmt yuv420p -f hls -hls_time 1 -hls_list_size 4 -hls_flags delete_segments+independent_segments \
        -hls_segment_type fmp4 -master_pl_name main.m3u8 live.m3u8";
    let mut ffmpeg = Command::new("ffmpeg")
        .args(arguments.split_whitespace())
        .current_dir(packager.path(""))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let mut seen = Vec::new();
    let manifest = until(|| Some(origin.get("/shoal.json")).filter(|answer| answer.status == 200));
    let manifest = content::Manifest::parse(&manifest.body).unwrap();
    let ended = until(|| {
        let text = String::from_utf8(origin.get("/live.m3u8").body).unwrap();
        let Ok(Playlist::Media(playlist)) = hls::parse(&text) else {
            panic!("{text}")
        };
        for (number, segment) in (playlist.media_sequence..).zip(&playlist.segments) {
            if seen.contains(&number) {
                continue;
            }
            let bytes = origin.get(&format!("/{}", segment.uri)).body;
            let proof = origin.proof_at(&format!("/{}.ppsp", segment.uri)).unwrap();
            assert_eq!(u64::from(proof.segment), number);
            verify(&proof, &manifest, &bytes);
            seen.push(number);
        }
        playlist.endlist.then_some(playlist)
    });
    assert!(ffmpeg.wait().unwrap().success());
    assert_eq!(seen, (0..8).collect::<Vec<_>>());
    assert_eq!(ended.media_sequence, 4);
    assert_eq!(manifest.swarms.len(), 1);
    let swarm = &origin.manifest().swarms[0];
    assert!(
        swarm
            .codecs
            .as_ref()
            .is_some_and(|codecs| codecs.starts_with("avc1"))
    );
    let init = fs::read(packager.path(&swarm.inits[0].uri)).unwrap();
    assert_eq!(swarm.inits[0].sha256, ppspp::Hash::of_chunk(&init));
    until(|| (!packager.path("live0.m4s.ppsp").exists()).then_some(()));
    assert_eq!(origin.log(), "");
}
