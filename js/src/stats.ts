/** The figures and events that every surface hands out. */

/** What the engine is doing. */
export type EngineState =
  /** P2P is off by configuration or by the viewer's link; plain HTTP. */
  | 'off'
  /** The wasm or the manifest is on its way; plain HTTP until then. */
  | 'loading'
  /** Media may come from peers. */
  | 'p2p'
  /** P2P failed; plain HTTP. The `fallback` event said why. */
  | 'fallback';

/** State of the tracker connection. */
export type TrackerState = 'connecting' | 'joined' | 'lost';

/** Figures since the engine was created. Bytes are media payload that was verified, or thrown away. */
export interface Stats {
  /** Bytes from peers. */
  p2pBytes: number;
  /** Bytes from the origin. */
  httpBytes: number;
  /** Bytes given to peers. */
  uploadedBytes: number;
  /** Bytes that arrived and were not used. */
  discardedBytes: number;
  /** Chunks that did not match their hash. */
  badChunks: number;
  /** Signatures of live segments that were not taken: forged, out of date, or at odds with others. */
  refusedSignatures: number;
  /** Membership certificates of peers that were not taken: forged, expired, or of another swarm. */
  refusedCertificates: number;
  /** Signalling envelopes of neighbours that were not passed on. */
  relaysRefused: number;
  /** Peers connected. */
  peers: number;
  /** Connections being made. */
  connecting: number;
  /** `p2pBytes / (p2pBytes + httpBytes)`; 0 before the first byte. */
  p2pRatio: number;
  /** Milliseconds from the engine's start to the first byte from a peer; `null` before it. */
  firstP2PByteMs: number | null;
  /** Milliseconds from the source being set to the first frame playing; `null` before it. */
  startupMs: number | null;
  /** How often playback stood still for lack of data, without a seek. */
  stalls: number;
  /** Milliseconds of all stalls. */
  stallMs: number;
  /** Milliseconds from the playhead to the live edge; `null` for what is not, or no longer, live. */
  liveLatencyMs: number | null;
  state: EngineState;
  /** The tracker in use; `null` without one. */
  tracker: { url: string; state: TrackerState } | null;
  /** One entry per swarm joined. */
  swarms: SwarmStats[];
}

/** Figures of one swarm. Members beyond these may come. */
export interface SwarmStats {
  /** URL of the media playlist, or of the plain file. */
  playlist: string;
  [member: string]: unknown;
}

/** One connected peer. */
export interface PeerInfo {
  /** Peer ID: 64 hex digits. */
  peer: string;
  /** For example `"joined"`. */
  state: string;
  /** Payload bytes received. */
  downloadedBytes: number;
  /** Payload bytes given. */
  uploadedBytes: number;
  /** Payload bytes per second that its chunks arrive with, lately. */
  downloadRate: number;
  /** Milliseconds since it was connected. */
  connectedMs: number;
}

/** P2P is off; video goes on over plain HTTP. */
export interface FallbackDetail {
  /**
   * A word for programs: `"wasm-missing"`, `"wasm-refused"` (content security policy), `"wasm-load"`,
   * `"wasm-trap"`, `"manifest-missing"`, `"manifest-invalid"`, `"webrtc-missing"`, `"crypto-missing"`,
   * `"open-failed"`, `"feeder-load"`, `"media-source"` (Shoal's own player cannot play it), and others that the wasm
   * peer reports.
   */
  reason: string;
  /** A sentence for people. */
  message: string;
}

/** Events of the engine and what comes with them. */
export interface ShoalEvents {
  /** Once a second while someone listens. */
  stats: Stats;
  /** The engine's state changed. */
  state: { state: EngineState };
  /** A peer joined, left or was banned. */
  peer: { peer: string; state: 'joined' | 'left' | 'banned'; reason?: string };
  /** A chunk was verified. */
  chunk: {
    source: 'p2p' | 'http';
    bytes: number;
    peer?: string;
    playlist: string;
    segment: number;
    chunk: number;
  };
  /** A segment is complete. */
  segment: {
    playlist: string;
    segment: number;
    p2pBytes: number;
    httpBytes: number;
    peers: string[];
    /** Milliseconds it took. */
    ms: number;
  };
  tracker: { url: string; state: TrackerState; reason?: string };
  /** Why P2P is off: once per reason. */
  fallback: FallbackDetail;
  /** Something a developer should know. `fatal`: nothing can be played. */
  error: { message: string; fatal: boolean };
  /** Playback stood still at `at` seconds for `ms` milliseconds. */
  stall: { at: number; ms: number };
  /** Another rendition plays (native player). */
  rendition: { index: number };
}

/** All figures at their start. */
export function emptyStats(state: EngineState): Stats {
  return {
    p2pBytes: 0,
    httpBytes: 0,
    uploadedBytes: 0,
    discardedBytes: 0,
    badChunks: 0,
    refusedSignatures: 0,
    refusedCertificates: 0,
    relaysRefused: 0,
    peers: 0,
    connecting: 0,
    p2pRatio: 0,
    firstP2PByteMs: null,
    startupMs: null,
    stalls: 0,
    stallMs: 0,
    liveLatencyMs: null,
    state,
    tracker: null,
    swarms: [],
  };
}

/** The figures that only grow, and that outlive a wasm peer. */
export const TOTALS = [
  'p2pBytes',
  'httpBytes',
  'uploadedBytes',
  'discardedBytes',
  'badChunks',
  'refusedSignatures',
  'refusedCertificates',
  'relaysRefused',
] as const;
