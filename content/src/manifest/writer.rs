//! From [`Manifest`] to JSON.

use json::Writer;

use super::{Content, Init, Manifest, SwarmEntry, reader};

pub(super) fn manifest(manifest: &Manifest) -> String {
    let live = manifest.swarms.iter().any(|swarm| swarm.live().is_some());
    let mut json = Writer::pretty();
    json.object(|json| {
        json.number_member("version", reader::VERSION);
        json.text_member("type", if live { reader::LIVE } else { reader::VOD });
        json.text_member("hash", reader::HASH);
        json.number_member("chunk_size", manifest.chunk_size.into());
        json.name("trackers")
            .array(|json| manifest.trackers.iter().for_each(|tracker| json.text(tracker)));
        if let Some(key) = &manifest.tracker_key {
            json.text_member("tracker_key", &key.to_string());
        }
        json.name("swarms").array(|json| {
            for entry in &manifest.swarms {
                json.object(|json| swarm(json, entry));
            }
        });
    });
    let mut text = json.into_text();
    text.push('\n');
    text
}

fn swarm(json: &mut Writer, entry: &SwarmEntry) {
    json.text_member("playlist", &entry.playlist);
    json.text_member("swarm_id", &entry.swarm_id.to_string());
    match &entry.content {
        Content::Vod(vod) => {
            json.number_member("segment_bits", entry.segment_bits.into());
            json.number_member("segments", vod.segments.into());
            json.number_member("bytes", vod.bytes);
            json.text_member("table", &vod.table);
        }
        Content::Live(live) => {
            json.text_member("integrity", live.integrity.name());
            json.number_member("segment_bits", entry.segment_bits.into());
            json.number_member("discard_window", live.discard_window.into());
            json.number_member("segment_ms", live.segment_ms.into());
        }
    }
    json.name("inits").array(|json| {
        for entry in &entry.inits {
            json.object(|json| init(json, entry));
        }
    });
    if let Some(codecs) = &entry.codecs {
        json.text_member("codecs", codecs);
    }
}

fn init(json: &mut Writer, entry: &Init) {
    json.text_member("uri", &entry.uri);
    if let Some(range) = entry.range {
        json.number_member("offset", range.offset);
        json.number_member("length", range.length);
    }
    json.text_member("sha256", &entry.sha256.to_string());
}
