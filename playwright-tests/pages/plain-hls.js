import Hls from '/vendor/hls.mjs';
import { fail, play, playlist } from './viewer.js';

try {
  const hls = new Hls();
  window.viewer.hls = hls;
  hls.loadSource(playlist);
  hls.attachMedia(window.viewer.video);
  play();
} catch (error) {
  fail(error);
}
