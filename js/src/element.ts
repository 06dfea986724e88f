/** `<shoal-video>`: a video element whose media may come from peers. */

import { OPTION_NAMES, type ShoalConfig } from './config.js';
import type { Shoal } from './engine.js';
import { messageOf } from './errors.js';
import { ShoalPlayer } from './player.js';

/** Attributes handed to the inner `<video>` as they are. */
const MIRRORED = [
  'controls',
  'controlslist',
  'crossorigin',
  'muted',
  'autoplay',
  'poster',
  'playsinline',
  'loop',
  'preload',
  'width',
  'height',
] as const;

let defaults: ShoalConfig = {};

/** Options for every `<shoal-video>` whose attributes say nothing else. */
export function setElementDefaults(config: ShoalConfig): void {
  defaults = config;
}

// Where there is no DOM (a server that renders pages) the class exists and cannot be used.
const Base = typeof HTMLElement === 'undefined' ? (class {} as typeof HTMLElement) : HTMLElement;

/**
 * `<shoal-video src="/media/index.m3u8" controls muted></shoal-video>`. Takes the usual attributes of `<video>`,
 * and the options of Shoal as attributes with dashes, for example `tracker` or `max-upload-kbps`. The inner video
 * is {@link video}; style it through `::part(video)`. The event `shoal` says that {@link shoal} is there.
 */
export class ShoalVideoElement extends Base {
  /** The `<video>` inside. */
  readonly video: HTMLVideoElement;
  #player: ShoalPlayer | undefined;
  #generation = 0;
  #queue: Promise<void> = Promise.resolve();

  static get observedAttributes(): string[] {
    return ['src', ...MIRRORED];
  }

  constructor() {
    super();
    const root = this.attachShadow({ mode: 'open' });
    const style = document.createElement('style');
    style.textContent =
      ':host{display:inline-block;position:relative}:host([hidden]){display:none}video{display:block;width:100%;height:100%}';
    this.video = document.createElement('video');
    this.video.setAttribute('part', 'video');
    root.append(style, this.video);
  }

  /** The engine; `undefined` before a source was set. */
  get shoal(): Shoal | undefined {
    return this.#player?.shoal;
  }

  /** The player; `undefined` before a source was set. */
  get player(): ShoalPlayer | undefined {
    return this.#player;
  }

  /** URL of the playlist or file. */
  get src(): string {
    return this.getAttribute('src') ?? '';
  }

  set src(url: string) {
    this.setAttribute('src', url);
  }

  connectedCallback(): void {
    this.#load();
  }

  disconnectedCallback(): void {
    this.#load();
  }

  attributeChangedCallback(name: string, before: string | null, value: string | null): void {
    if (name === 'src') {
      if (this.isConnected && before !== value) this.#load();
      return;
    }
    if (value === null) this.video.removeAttribute(name);
    else this.video.setAttribute(name, value);
    // The attribute alone only sets the default.
    if (name === 'muted') this.video.muted = value !== null;
  }

  /** One source after the other: a player that is being made owns the video until it is there. */
  #load(): void {
    this.#generation += 1;
    const generation = this.#generation;
    this.#queue = this.#queue.then(async () => {
      this.#player?.destroy();
      this.#player = undefined;
      if (generation !== this.#generation || !this.isConnected || !this.src) return;
      try {
        this.#player = await ShoalPlayer.attach(this.video, this.src, {
          ...defaults,
          ...configFromAttributes((name) => this.getAttribute(name)),
        });
      } catch (error) {
        // Only a mistake in the configuration comes here: it must not cost the viewer the video.
        console.error(`<shoal-video>: ${messageOf(error)}`);
        this.#player = await ShoalPlayer.attach(this.video, this.src, { p2p: false });
      }
      this.dispatchEvent(new CustomEvent('shoal', { detail: this.#player.shoal }));
    });
  }
}

/**
 * Reads options from attributes named like them with dashes (`maxUploadKbps` is `max-upload-kbps`). Numbers,
 * booleans and JSON are recognised; a list of trackers may be separated by spaces.
 *
 * @param read  gives an attribute's value, `null` when it is missing
 */
export function configFromAttributes(read: (name: string) => string | null): ShoalConfig {
  const config: Record<string, unknown> = {};
  for (const name of OPTION_NAMES) {
    const text = read(name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`));
    if (text === null) continue;
    if (name === 'tracker') {
      const list = text.trim().split(/\s+/);
      config[name] = list.length === 1 ? list[0] : list;
    } else if (name === 'manifest' || name === 'token') {
      config[name] = text;
    } else {
      config[name] = parseValue(text);
    }
  }
  return config as ShoalConfig;
}

function parseValue(text: string): unknown {
  // An attribute without a value, such as `debug`, switches on.
  if (text === '') return true;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/** Defines `<shoal-video>`, once. */
export function defineShoalVideo(): void {
  if (typeof customElements === 'undefined' || customElements.get('shoal-video')) return;
  customElements.define('shoal-video', ShoalVideoElement);
}
