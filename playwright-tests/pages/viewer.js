// What the three pages share: options from the query string, and a record of everything that happens.
//
//   playlist  URL of the playlist
//   tracker   URL of the tracker (none: not configured)
//   config    further configuration of Shoal, as JSON; its function for tokens is `window.token`

const query = new URLSearchParams(location.search);
const video = document.querySelector('video');
const viewer = { video, shoal: null, player: null, hls: null, events: [], stalls: [], failure: null };
window.viewer = viewer;

/** URL of the playlist. */
export const playlist = query.get('playlist');

/** Configuration of Shoal. */
export const config = JSON.parse(query.get('config') ?? '{}');
if (query.has('tracker')) config.tracker = query.get('tracker');
if (window.token) config.token = window.token;

/** Every event of the engine. */
const engineEvents = ['state', 'peer', 'chunk', 'segment', 'tracker', 'fallback', 'error', 'stall', 'rendition'];

/** Records the engine's events from now on. */
export function watchEngine(shoal) {
  viewer.shoal = shoal;
  for (const type of engineEvents) shoal.on(type, (detail) => record(type, detail));
}

/** Records something that went wrong in the page itself. */
export function fail(error) {
  viewer.failure = String(error?.stack ?? error);
}

/** Records an event. */
export function record(type, detail) {
  viewer.events.push({ type, at: performance.now(), ...detail });
}

/** Seconds of media buffered from the playhead on. */
function ahead() {
  for (let i = 0; i < video.buffered.length; i++) {
    if (video.buffered.start(i) <= video.currentTime + 0.1 && video.buffered.end(i) > video.currentTime) {
      return video.buffered.end(i) - video.currentTime;
    }
  }
  return 0;
}

let played = false;
let stall = null;
for (const type of ['playing', 'waiting', 'stalled', 'seeking', 'seeked', 'pause', 'ended', 'error']) {
  video.addEventListener(type, () => {
    record(`video-${type}`, { time: video.currentTime, ahead: ahead(), message: video.error?.message });
    if (type === 'playing') played = true;
    // A decoder that is short of CPU also waits, with data ahead of it: that is no stall of the delivery.
    const short = ahead() < 0.5 && video.currentTime + ahead() < video.duration - 0.1;
    if (type === 'waiting' && played && !video.seeking && !video.ended && short) {
      stall = { at: performance.now(), time: video.currentTime, ms: 0 };
      viewer.stalls.push(stall);
    } else if (stall && type !== 'stalled' && type !== 'waiting') {
      stall.ms = performance.now() - stall.at;
      stall = null;
    }
  });
}
window.addEventListener('error', ({ error }) => fail(error));
window.addEventListener('unhandledrejection', ({ reason }) => fail(reason));

/** Starts playback as soon as the video allows it. */
export function play() {
  video.play().catch(fail);
}
