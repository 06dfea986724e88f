/** The entry `shoal/hls`: {@link withShoal} for hls.js. */

export { ConfigError, type ShoalConfig } from './config';
export type { Shoal } from './engine';
export { type HlsShoalConfig, type ShoalHls, withShoal } from './hls';
export type { FallbackDetail, PeerInfo, ShoalEvents, Stats } from './stats';
