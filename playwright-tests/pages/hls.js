import { withShoal } from '/shoal/shoal-hls.js';
import Hls from '/vendor/hls.mjs';
import { config, fail, play, playlist, watchEngine } from './viewer.js';

try {
  const hls = new (withShoal(Hls))({ p2p: config });
  window.viewer.hls = hls;
  watchEngine(hls.shoal);
  hls.loadSource(playlist);
  hls.attachMedia(window.viewer.video);
  play();
} catch (error) {
  fail(error);
}
