/** The entry `shoal/hls`: {@link withShoal} for hls.js. */

export { ConfigError, type ShoalConfig } from './config.js';
export type { Shoal } from './engine.js';
export { type HlsShoalConfig, type ShoalHls, withShoal } from './hls.js';
export type { FallbackDetail, PeerInfo, ShoalEvents, Stats } from './stats.js';
