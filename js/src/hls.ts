/** hls.js with media from peers: `new (withShoal(Hls))({ p2p: { … } })`. */

import type HlsType from 'hls.js';
import type { HlsConfig } from 'hls.js';
import { ConfigError, type ShoalConfig } from './config.js';
import { type EngineParts, Shoal } from './engine.js';
import { type FragmentLoaderClass, shoalFragmentLoader } from './hls-loader.js';
import { HlsSource } from './hls-source.js';

type HlsClass = typeof HlsType;

/** The configuration of hls.js, and Shoal's. */
export interface HlsShoalConfig extends Partial<HlsConfig> {
  /** The options of Shoal; `false` or `"off"` is hls.js as it was, without any wasm. Default: all defaults. */
  p2p?: ShoalConfig | boolean | 'on' | 'off' | 'auto';
}

/** The class `Hls` with Shoal. */
export type ShoalHls = Omit<HlsClass, 'prototype'> & {
  new (
    config?: HlsShoalConfig,
  ): HlsType & {
    /** The engine: figures, events, run-time configuration. */
    readonly shoal: Shoal;
  };
};

/** Marks upgraded classes, so that nobody upgrades one twice. */
const UPGRADED = Symbol.for('shoal.hls');

/**
 * Makes a subclass of hls.js that loads fragments through Shoal. It takes one more member in its configuration,
 * `p2p`, and has one more property, `shoal`. Everything else is hls.js.
 *
 * @param Hls  the class `Hls` of hls.js, 1.5 or later
 * @param defaults  options for instances that say nothing else
 */
export function withShoal(Hls: HlsClass, defaults: ShoalConfig = {}): ShoalHls {
  return upgrade(Hls, defaults, {});
}

/** @internal */
export function upgrade(Hls: HlsClass, defaults: ShoalConfig, parts: EngineParts): ShoalHls {
  if (UPGRADED in Hls) return Hls as unknown as ShoalHls;

  class HlsWithShoal extends Hls {
    static readonly [UPGRADED] = true;
    readonly shoal: Shoal;
    readonly #source: HlsSource;

    /** @throws `ConfigError` when an option in `p2p` is unknown or of the wrong form */
    constructor(userConfig: HlsShoalConfig = {}) {
      const shoal = new Shoal({ ...defaults, ...optionsOf(userConfig.p2p) }, parts);
      const source = new HlsSource(shoal);
      const PlainLoader =
        userConfig.fLoader ?? userConfig.loader ?? Hls.DefaultConfig.fLoader ?? Hls.DefaultConfig.loader;
      super({ ...userConfig, fLoader: shoalFragmentLoader(source, PlainLoader as FragmentLoaderClass) });
      this.shoal = shoal;
      this.#source = source;
      source.bind(this, Hls.Events);
    }

    override destroy(): void {
      super.destroy();
      this.#source.close();
      this.shoal.destroy();
    }
  }
  return HlsWithShoal as unknown as ShoalHls;
}

function optionsOf(p2p: HlsShoalConfig['p2p']): ShoalConfig {
  if (p2p === undefined) return {};
  if (typeof p2p === 'boolean' || p2p === 'on' || p2p === 'off' || p2p === 'auto') return { p2p };
  if (typeof p2p !== 'object' || p2p === null) {
    throw new ConfigError('option `p2p` of hls.js must be an object with the options of Shoal, or a switch');
  }
  return p2p;
}
