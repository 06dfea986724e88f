/** `ShoalPlayer`: no other player is needed; HLS with fMP4 segments goes straight into Media Source Extensions. */

import type { ShoalConfig } from './config.js';
import { type EngineParts, Shoal } from './engine.js';
import { type HlsConstructor, isPlainFile, type PlainMode, PlainPlayback } from './plain.js';
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

/** Plays a URL in a `<video>`, with media from peers where possible and over plain HTTP otherwise. */
export class ShoalPlayer {
  /** The engine: figures, events, run-time configuration. */
  readonly shoal: Shoal;
  readonly video: HTMLVideoElement;
  /** What is played. */
  readonly url: string;
  readonly #fallbackHls: HlsConstructor | undefined;
  #plain: PlainPlayback | undefined;
  #fed = false;
  #destroyed = false;

  private constructor(video: HTMLVideoElement, url: string, config: PlayerConfig, parts: EngineParts) {
    const { fallbackHls, ...options } = config;
    this.video = video;
    this.url = new URL(url, document.baseURI).href;
    this.#fallbackHls = fallbackHls;
    this.shoal = new Shoal(options, parts);
    this.shoal.playback.begin();
    this.shoal.playback.watch(video);
    this.shoal.onPeerLost = (position) => {
      if (this.#fed) this.#playPlain(position);
    };
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
    return this.#fed ? 'shoal' : (this.#plain?.mode ?? 'none');
  }

  /** The renditions to choose from; empty when Shoal does not feed the video. */
  renditions(): Rendition[] {
    return this.#fed ? (this.shoal.ask((peer) => peer.renditions()) ?? []) : [];
  }

  /** Plays this rendition from now on; -1 lets the bandwidth decide. */
  selectRendition(index: number): void {
    if (this.#fed) this.shoal.ask((peer) => peer.selectRendition(index));
  }

  /** Index of the rendition that is loaded now; -1 when Shoal does not feed the video. */
  currentRendition(): number {
    return this.#fed ? (this.shoal.ask((peer) => peer.currentRendition()) ?? -1) : -1;
  }

  /** Takes the source from the video and leaves all swarms. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    if (this.#fed) this.shoal.ask((peer) => peer.detach());
    this.#fed = false;
    this.#plain?.close();
    this.shoal.destroy();
  }

  async #start(): Promise<void> {
    // The feeder plays HLS; a plain file is best played by the browser.
    if (this.shoal.refused || isPlainFile(this.url)) {
      this.#playPlain();
      return;
    }
    const peer = await this.shoal.start(this.url);
    if (this.#destroyed) return;
    if (!peer) {
      this.#playPlain();
      return;
    }
    // The playlist must not wait for the manifest: until it is here, segments come from the origin.
    void this.shoal.open(this.url, true);
    this.#fed = true;
    try {
      await this.shoal.guarded((owned) => owned.attach(this.video, this.url));
    } catch (error) {
      if (!this.#destroyed && this.#fed) {
        this.shoal.giveUp(error, 'media-source');
      }
    }
  }

  #playPlain(position: Position = this.shoal.playback.position()): void {
    this.#fed = false;
    if (this.#destroyed || this.#plain) return;
    this.#plain = new PlainPlayback(this.shoal, this.video, this.url, this.#fallbackHls);
    this.#plain.start(position);
  }
}
