import { ShoalPlayer } from '/shoal/shoal.js';
import { config, fail, play, playlist, watchEngine } from './viewer.js';

try {
  if (config.fallbackHls) config.fallbackHls = (await import('/vendor/hls.mjs')).default;
  play();
  const player = await ShoalPlayer.attach(window.viewer.video, playlist, config);
  window.viewer.player = player;
  watchEngine(player.shoal);
} catch (error) {
  fail(error);
}
