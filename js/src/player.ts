/** `ShoalPlayer`: no other player is needed; HLS with fMP4 segments goes straight into Media Source Extensions. */

import type { ShoalConfig } from './config.js';
import { type EngineParts, type FeederLoader, Shoal } from './engine.js';
import { FallbackError, messageOf } from './errors.js';
import type { Feeder } from './feeder/feeder.js';
import type { SegmentSource } from './feeder/source.js';
import { type HlsConstructor, isPlainFile, type PlainMode, PlainPlayback } from './plain.js';
import { loadSegment } from './plain-load.js';
import type { Position } from './playback.js';
import type { Rendition } from './wasm-api.js';

/** The options of {@link ShoalPlayer.attach}. */
export interface PlayerConfig extends ShoalConfig {
  /**
   * The class `Hls` of hls.js, used when Shoal cannot play and the browser does not play HLS itself. Default:
   * `window.Hls`, when the page has it.
   */
  fallbackHls?: HlsConstructor;
}

/** So long (milliseconds) the first segment waits for the manifest: what comes without it is not shared with anybody. */
const MANIFEST_PATIENCE = 400;

/** Plays a URL in a `<video>`, with media from peers where possible and over plain HTTP otherwise. */
export class ShoalPlayer {
  /** The engine: figures, events, run-time configuration. */
  readonly shoal: Shoal;
  readonly video: HTMLVideoElement;
  /** What is played. */
  readonly url: string;
  readonly #fallbackHls: HlsConstructor | undefined;
  #plain: PlainPlayback | undefined;
  #feeder: Feeder | undefined;
  readonly #loadFeeder: FeederLoader;
  #destroyed = false;

  private constructor(video: HTMLVideoElement, url: string, config: PlayerConfig, parts: EngineParts) {
    const { fallbackHls, ...options } = config;
    this.video = video;
    this.url = new URL(url, document.baseURI).href;
    this.#fallbackHls = fallbackHls;
    this.shoal = new Shoal(options, parts);
    this.shoal.playback.begin();
    this.shoal.playback.watch(video);
    this.shoal.onPeerLost = (position) => this.#playPlain(position);
    this.#loadFeeder = parts.loadFeeder ?? loadFeeder;
  }

  /**
   * Plays `url` (an HLS playlist or a plain media file) in `video`. Resolves once the video has its source.
   *
   * @throws `ConfigError` (as a rejection) when an option is unknown or of the wrong form. Nothing else rejects:
   *   when neither Shoal nor the page nor the browser can play, the engine's event `error` says what is missing.
   */
  static async attach(video: HTMLVideoElement, url: string, config: PlayerConfig = {}): Promise<ShoalPlayer> {
    return ShoalPlayer.attachWith(video, url, config, {});
  }

  /** @internal */
  static async attachWith(
    video: HTMLVideoElement,
    url: string,
    config: PlayerConfig,
    parts: EngineParts,
  ): Promise<ShoalPlayer> {
    const player = new ShoalPlayer(video, url, config, parts);
    await player.#start();
    return player;
  }

  /** Who plays: `"shoal"`, or over plain HTTP `"browser"`, `"hls.js"`, `"file"`; `"none"` when nobody can. */
  get mode(): 'shoal' | PlainMode {
    return this.#feeder ? 'shoal' : (this.#plain?.mode ?? 'none');
  }

  /** The renditions to choose from; empty when Shoal does not feed the video. */
  renditions(): Rendition[] {
    return this.#feeder?.renditions() ?? [];
  }

  /** Plays this rendition from now on; -1 lets the bandwidth decide. */
  selectRendition(index: number): void {
    this.#feeder?.select(index);
  }

  /** Index of the rendition that is loaded now; -1 when Shoal does not feed the video. */
  currentRendition(): number {
    return this.#feeder?.current() ?? -1;
  }

  /** Takes the source from the video and leaves all swarms. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    this.#detach();
    this.#plain?.close();
    this.shoal.destroy();
  }

  async #start(): Promise<void> {
    // The feeder plays HLS; a plain file is best played by the browser.
    if (this.shoal.refused || isPlainFile(this.url)) {
      this.#playPlain();
      return;
    }
    const { shoal } = this;
    // The wasm peer, the feeder and the playlists come at the same time.
    const started = shoal.start(this.url).then((peer) => {
      if (!peer) throw new FallbackError('wasm-load', 'there is no wasm peer');
    });
    const ready = started.then(() => Promise.race([shoal.open(this.url, true), patience()]));
    // Whoever waits for them hears of it; if the feeder does not come nobody does.
    ready.catch(() => {});
    try {
      const { createFeeder } = await this.#loadFeeder().catch((error) => {
        throw new FallbackError('feeder-load', `the feeder did not load: ${messageOf(error)}`);
      });
      if (this.#destroyed || this.#plain) return;
      const feeder = createFeeder(this.video, this.url, this.#source(started, ready));
      this.#feeder = feeder;
      shoal.liveLatency = feeder.liveLatency;
      shoal.window = feeder.window;
      await feeder.attached;
    } catch (error) {
      if (!this.#destroyed && !this.#plain) shoal.giveUp(error, 'media-source');
    }
  }

  /** Where the feeder gets its segments from. */
  #source(started: Promise<unknown>, ready: Promise<unknown>): SegmentSource {
    const { shoal } = this;
    return {
      started,
      ready,
      load: (request) => loadSegment(shoal, request),
      rate: () => shoal.ask((peer) => peer.rate()) || undefined,
      initDigest: (playlist, init) => shoal.ask((peer) => peer.initDigest(playlist, init)),
      onRendition: (index) => shoal.tell('rendition', { index }),
      onError: (message, fatal) => {
        // Fatal for the feeder is not fatal for the viewer. The feeder is in the middle of something: it ends after it.
        const position = shoal.playback.position();
        shoal.tell('error', { message, fatal: false });
        if (fatal) queueMicrotask(() => shoal.giveUp(new FallbackError('media-source', message), '', position));
      },
    };
  }

  #detach(): void {
    this.#feeder?.detach();
    this.#feeder = this.shoal.liveLatency = this.shoal.window = undefined;
  }

  #playPlain(position: Position = this.shoal.playback.position()): void {
    this.#detach();
    if (this.#destroyed || this.#plain) return;
    this.#plain = new PlainPlayback(this.shoal, this.video, this.url, this.#fallbackHls);
    this.#plain.start(position);
  }
}

/** Only this player needs it, so it is no part of what others download. */
const loadFeeder: FeederLoader = () => import('./feeder/feeder.js');

function patience(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, MANIFEST_PATIENCE));
}
