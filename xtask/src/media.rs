//! The demo's sample video, made by ffmpeg.

use crate::process::{command, run_quietly, succeeds, target};
use crate::stamp::Stamp;
use anyhow::{Context, Result};
use std::fs;
use std::path::PathBuf;

/// Length of the sample.
const SECONDS: u32 = 120;
/// Length of its segments; every one starts with a key frame.
const SEGMENT_SECONDS: u32 = 4;
const FRAMES_PER_SECOND: u32 = 25;

/// A folder with the sample (`index.m3u8`), made when it is missing or this code has changed.
pub fn demo() -> Result<PathBuf> {
    let folder = target().join("media/demo");
    let args = arguments(draws_text());
    let stamp = Stamp::of("media-demo", &args.join(" "), &[])?;
    if stamp.is_current(&[folder.join("index.m3u8")]) {
        return Ok(folder);
    }
    println!("sample video ({SECONDS} s)");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    run_quietly(command("ffmpeg").current_dir(&folder).args(&args))
        .context("the sample video cannot be made")?;
    stamp.write()?;
    Ok(folder)
}

/// Whether this ffmpeg can draw text with a font of this machine.
fn draws_text() -> bool {
    let filter = "color=size=64x64:duration=0.04,drawtext=text=0";
    succeeds(command("ffmpeg").args(["-v", "error", "-f", "lavfi", "-i", filter, "-f", "null", "-"]))
}

/// Two renditions with a clock in the picture, and one audio track apart from them.
fn arguments(clock: bool) -> Vec<String> {
    let rate = FRAMES_PER_SECOND;
    let gop = rate * SEGMENT_SECONDS;
    let text = if clock {
        ",drawtext=text='%{pts\\:hms}':fontsize=64:fontcolor=white:box=1:boxcolor=black@0.6:boxborderw=12:x=(w-tw)/2:y=h-th-32"
    } else {
        ""
    };
    let picture = format!("testsrc2=size=854x480:rate={rate}:duration={SECONDS},noise=alls=12:allf=t{text}");
    let tone = format!("sine=frequency=220:beep_factor=4:duration={SECONDS}:sample_rate=48000,volume=0.3");
    let renditions = "[0:v]format=yuv420p,split[large][half];[half]scale=426x240[small]";
    let command_line = format!(
        "-v error -y -f lavfi -i PICTURE -f lavfi -i TONE -filter_complex RENDITIONS \
         -map [large] -map [small] -map 1:a \
         -c:v libx264 -preset superfast -profile:v main -g {gop} -keyint_min {gop} -sc_threshold 0 \
         -b:v:0 1800k -maxrate:v:0 2000k -bufsize:v:0 2000k -b:v:1 500k -maxrate:v:1 600k -bufsize:v:1 600k \
         -c:a aac -b:a 96k -ac 2 \
         -f hls -hls_time {SEGMENT_SECONDS} -hls_playlist_type vod -hls_segment_type fmp4 \
         -hls_flags independent_segments -hls_fmp4_init_filename init.mp4 \
         -hls_segment_filename stream_%v/%03d.m4s -master_pl_name index.m3u8 -var_stream_map STREAMS \
         stream_%v/index.m3u8"
    );
    let streams =
        "v:0,agroup:audio,name:480p v:1,agroup:audio,name:240p a:0,agroup:audio,default:yes,name:audio";
    let fill = |word: &str| match word {
        "PICTURE" => picture.clone(),
        "TONE" => tone.clone(),
        "RENDITIONS" => renditions.to_owned(),
        "STREAMS" => streams.to_owned(),
        other => other.to_owned(),
    };
    command_line.split_whitespace().map(fill).collect()
}
