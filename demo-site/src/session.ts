/** One playback, made the way a site would make it. */

import type HlsType from 'hls.js';
import { type Shoal, type ShoalConfig, ShoalPlayer } from 'shoal';
import { withShoal } from 'shoal/hls';
import type { Options } from './options';

/** A choice of the rendition menu; -1 is automatic. */
export interface RenditionChoice {
  index: number;
  label: string;
}

/** What the page needs of either player. */
export interface Session {
  readonly shoal: Shoal;
  readonly player?: ShoalPlayer;
  readonly hls?: HlsType;
  /** Who plays, in words. */
  who(): string;
  renditions(): RenditionChoice[];
  /** The rendition that is loaded now. */
  current(): number;
  select(index: number): void;
  destroy(): void;
}

/** Starts to play `options.src` in `video`. */
export function startSession(video: HTMLVideoElement, options: Options): Promise<Session> {
  const config: ShoalConfig = { p2p: options.p2p ? 'on' : 'off' };
  if (options.tracker) config.tracker = options.tracker;
  return options.mode === 'hls' ? startHls(video, options.src, config) : startNative(video, options.src, config);
}

async function startNative(video: HTMLVideoElement, src: string, config: ShoalConfig): Promise<Session> {
  const playsHls = video.canPlayType('application/vnd.apple.mpegurl') !== '';
  const fallback = playsHls ? {} : { fallbackHls: (await import('hls.js')).default };
  const player = await ShoalPlayer.attach(video, src, { ...config, ...fallback });
  const names = {
    shoal: 'Shoal feeds Media Source Extensions',
    browser: "the browser's own HLS",
    'hls.js': 'hls.js',
    file: 'a plain file',
    none: 'nobody',
  };
  return {
    shoal: player.shoal,
    player,
    who: () => names[player.mode],
    renditions: () => player.renditions().map(({ index, height, bandwidth }) => choice(index, height, bandwidth)),
    current: () => player.currentRendition(),
    select: (index) => player.selectRendition(index),
    destroy: () => player.destroy(),
  };
}

async function startHls(video: HTMLVideoElement, src: string, config: ShoalConfig): Promise<Session> {
  const { default: Hls } = await import('hls.js');
  const hls = new (withShoal(Hls))({ p2p: config });
  hls.loadSource(src);
  hls.attachMedia(video);
  return {
    shoal: hls.shoal,
    hls,
    who: () => 'hls.js',
    renditions: () => hls.levels.map(({ height, bitrate }, index) => choice(index, height, bitrate)),
    current: () => hls.currentLevel,
    select: (index) => {
      hls.nextLevel = index;
    },
    destroy: () => hls.destroy(),
  };
}

function choice(index: number, height: number, bitsPerSecond: number): RenditionChoice {
  const rate = `${(bitsPerSecond / 1e6).toFixed(1)} Mbit/s`;
  return { index, label: height > 0 ? `${height}p, ${rate}` : rate };
}
