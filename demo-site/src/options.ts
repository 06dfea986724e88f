/** What the page plays and how, in its address: it can be linked to, reloaded and tested. */

/** `native`: ShoalPlayer on Media Source Extensions. `hls`: hls.js. */
export type Mode = 'native' | 'hls';

/** One way to play. */
export interface Options {
  src: string;
  mode: Mode;
  p2p: boolean;
  /** Tracker instead of the one that `shoal.json` names. */
  tracker: string | undefined;
}

/** What `cargo xtask demo` publishes. */
const DEFAULT_SOURCE = '/media/index.m3u8';

/** Reads the page's address. */
export function readOptions(): Options {
  const query = new URLSearchParams(location.search);
  return {
    src: query.get('src') || DEFAULT_SOURCE,
    mode: query.get('mode') === 'hls' ? 'hls' : 'native',
    p2p: query.get('p2p') !== '0',
    tracker: query.get('tracker') || undefined,
  };
}

/** Writes the page's address. */
export function writeOptions(options: Options): void {
  const query = new URLSearchParams();
  if (options.src !== DEFAULT_SOURCE) query.set('src', options.src);
  query.set('mode', options.mode);
  query.set('p2p', options.p2p ? '1' : '0');
  if (options.tracker) query.set('tracker', options.tracker);
  history.replaceState(null, '', `?${query}`);
}
