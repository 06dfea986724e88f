/** The package's main entry: `ShoalPlayer`, the engine, and `<shoal-video>` (defined by importing this). */

import { defineShoalVideo } from './element.js';

export { ConfigError, type ShoalConfig, type Switch } from './config.js';
export { ShoalVideoElement } from './element.js';
export { Shoal } from './engine.js';
export { type PlayerConfig, ShoalPlayer } from './player.js';
export type { EngineState, FallbackDetail, PeerInfo, ShoalEvents, Stats, SwarmStats, TrackerState } from './stats.js';
export { type ChunkMapSegment, ChunkSource, type Rendition } from './wasm-api.js';

defineShoalVideo();
