// p2p-media-loader as its publisher ships it, with its own events recorded; `tracker` is one of WebTorrent's dialect.

import { HlsJsP2PEngine } from 'p2p-media-loader-hlsjs';
import Hls from '/vendor/hls.mjs';
import { config, fail, play, playlist, record } from './viewer.js';

try {
  const HlsWithP2P = HlsJsP2PEngine.injectMixin(Hls);
  // No server but ours: its own defaults name public trackers and STUN servers.
  const core = { announceTrackers: [config.tracker], rtcConfig: { iceServers: [] } };
  const hls = new HlsWithP2P({ p2p: { core } });
  window.viewer.hls = hls;
  const engine = hls.p2pEngine;
  engine.addEventListener('onPeerConnect', ({ peerId }) => record('peer', { peer: peerId, state: 'joined' }));
  engine.addEventListener('onPeerClose', ({ peerId }) => record('peer', { peer: peerId, state: 'left' }));
  engine.addEventListener('onSegmentLoaded', ({ segmentUrl, bytesLength, downloadSource, peerId }) =>
    record('segment', { url: segmentUrl, bytes: bytesLength, source: downloadSource, peer: peerId }),
  );
  engine.addEventListener('onChunkUploaded', (bytes, peer) => record('upload', { bytes, peer }));
  for (const type of ['onTrackerError', 'onTrackerWarning']) {
    engine.addEventListener(type, ({ error, warning }) => record('tracker', { said: String(error ?? warning) }));
  }
  hls.loadSource(playlist);
  hls.attachMedia(window.viewer.video);
  play();
} catch (error) {
  fail(error);
}
