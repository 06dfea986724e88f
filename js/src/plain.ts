/** Plain HTTP playback, with whatever the page and the browser have: what is left when Shoal cannot play. */

import type { Shoal } from './engine.js';
import type { Position } from './playback.js';

/** The parts of hls.js that are used here. */
export interface HlsLike {
  loadSource(url: string): void;
  attachMedia(video: HTMLMediaElement): void;
  destroy(): void;
}

/** The class `Hls` of hls.js. */
export interface HlsConstructor {
  // biome-ignore lint/suspicious/noExplicitAny: hls.js's own configuration type is not needed to pass one on.
  new (config?: any): HlsLike;
  isSupported?(): boolean;
}

/** Who plays. */
export type PlainMode = 'browser' | 'hls.js' | 'file' | 'none';

const HLS_TYPE = 'application/vnd.apple.mpegurl';
const FILE_PATTERN = /\.(mp4|m4v|m4a|mov|webm|mkv|mp3|aac|ogg|ogv|oga|opus|wav|flac)$/i;

/** Is `url` a plain media file rather than an HLS playlist? Decided by its path, as no request was made yet. */
export function isPlainFile(url: string): boolean {
  return FILE_PATTERN.test(new URL(url, document.baseURI).pathname);
}

/** Plays `url` in `video` without Shoal, from where the video is now. */
export class PlainPlayback {
  /** Who plays now. */
  mode: PlainMode = 'none';
  #hls: HlsLike | undefined;
  #closed = false;
  #startAt = 0;
  readonly #stopListening: (() => void)[] = [];

  /**
   * @param fallbackHls  hls.js, for browsers that do not play HLS themselves; else `window.Hls`
   */
  constructor(
    private readonly shoal: Shoal,
    private readonly video: HTMLVideoElement,
    private readonly url: string,
    private readonly fallbackHls: HlsConstructor | undefined,
  ) {}

  /** Starts, and goes on where another player stopped. */
  start({ time, playing }: Position): void {
    const { video } = this;
    this.#startAt = time;
    if (time > 0 || playing) {
      this.#once('loadedmetadata', () => {
        if (time > 0) video.currentTime = time;
        if (playing) video.play().catch(() => {});
      });
    }
    if (isPlainFile(this.url)) this.#playFile();
    else if (video.canPlayType(HLS_TYPE)) this.#playInBrowser();
    else this.#playWithHls();
  }

  /** Stops and frees everything. */
  close(): void {
    this.#closed = true;
    for (const stop of this.#stopListening) stop();
    if (this.#hls) {
      this.#hls.destroy();
    } else if (this.mode !== 'none') {
      this.video.removeAttribute('src');
      this.video.load();
    }
    this.mode = 'none';
  }

  #playFile(): void {
    this.mode = 'file';
    this.video.src = this.url;
    this.#once('error', () => this.#report(`the browser cannot play ${this.url}`));
  }

  #playInBrowser(): void {
    this.mode = 'browser';
    this.video.src = this.url;
    // A browser that says "maybe" may still fail on this playlist.
    this.#once('error', () => this.#playWithHls());
  }

  #playWithHls(): void {
    const Hls = this.fallbackHls ?? (globalThis as { Hls?: HlsConstructor }).Hls;
    if (!Hls || Hls.isSupported?.() === false) {
      this.mode = 'none';
      this.#report(
        `nothing here plays ${this.url} over plain HTTP: this browser does not play HLS itself; ` +
          'pass hls.js as `fallbackHls`, or load it as window.Hls',
      );
      return;
    }
    this.mode = 'hls.js';
    // `p2p: false` keeps an `Hls` that was upgraded with `withShoal` from trying again what has just failed.
    this.#hls = new Hls({ p2p: false, startPosition: this.#startAt || -1 });
    this.#hls.loadSource(new URL(this.url, document.baseURI).href);
    this.#hls.attachMedia(this.video);
  }

  #report(message: string): void {
    if (!this.#closed) this.shoal.tell('error', { message, fatal: true });
  }

  #once(event: string, listener: () => void): void {
    const guarded = () => {
      if (!this.#closed) listener();
    };
    this.video.addEventListener(event, guarded, { once: true });
    this.#stopListening.push(() => this.video.removeEventListener(event, guarded));
  }
}
