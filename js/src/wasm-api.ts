/** The interface of the wasm peer, as ARCHITECTURE.md ("JavaScript → wasm") lays it down. */

/** What a chunk in {@link ChunkMapSegment.sources} is. */
export const ChunkSource = {
  missing: 0,
  http: 1,
  p2p: 2,
  evicted: 3,
  inFlight: 4,
} as const;

/** The chunks of one segment near the playhead, for display. */
export interface ChunkMapSegment {
  /** URL of the media playlist, or of the plain file. */
  playlist: string;
  /** Number of the segment, from 0; in a live playlist its media sequence number. */
  segment: number;
  /** How many chunks the segment has. */
  chunks: number;
  /** One {@link ChunkSource} per chunk. */
  sources: Uint8Array;
}

/** A segment whose chunks are to be shown. */
export type ShownSegment = Pick<ChunkMapSegment, 'playlist' | 'segment'>;

/** One rendition of a multi-variant playlist. */
export interface Rendition {
  index: number;
  /** Peak bits per second. */
  bandwidth: number;
  /** Pixels; 0 where the playlist does not say. */
  width: number;
  /** Pixels; 0 where the playlist does not say. */
  height: number;
  /** RFC 6381 string. */
  codecs: string;
}

/** The object that `wasm-peer` exports. Any call may throw a `WebAssembly.RuntimeError`: then it is lost. */
export interface Peer {
  open(url: string): Promise<void>;
  covers(playlist: string): boolean;
  loadSegment(
    id: number,
    playlist: string,
    segment: number,
    url: string,
    start: number,
    end: number,
    deadline: number,
  ): Promise<ArrayBuffer>;
  setDeadline(id: number, deadline: number): void;
  cancel(id: number): void;
  /** Bytes per second that media arrives with, over all sources; 0 until that is known. */
  rate(): number;
  /** The SHA-256 that the manifest gives for an init section of this playlist, if it gives one (absolute URLs). */
  initDigest(playlist: string, init: string): Uint8Array | undefined;
  stats(): object;
  peers(): object[];
  /** Of the segments in `window`; without any, of those around the one asked for last. */
  chunkMap(window?: ShownSegment[]): ChunkMapSegment[];
  configure(partial: object): void;
  destroy(): void;
}

/** How a {@link Peer} is made. */
export type PeerConstructor = new (config: object, onEvent: (type: string, detail: object) => void) => Peer;
