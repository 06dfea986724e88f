/** The package's main entry: `ShoalPlayer`, the engine, and `<shoal-video>` (defined by importing this). */

import { defineShoalVideo } from './element';

export { ConfigError, type ShoalConfig, type Switch } from './config';
export { ShoalVideoElement } from './element';
export { Shoal } from './engine';
export { type PlayerConfig, ShoalPlayer } from './player';
export type { EngineState, FallbackDetail, PeerInfo, ShoalEvents, Stats, SwarmStats, TrackerState } from './stats';
export { type ChunkMapSegment, ChunkSource, type Rendition } from './wasm-api';

defineShoalVideo();
