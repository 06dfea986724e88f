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

/** What the viewer has had of a source so far; what is not known is `null` or left out. */
export interface Experience {
  /** Milliseconds from the source being set to the first frame. */
  startupMs?: number | null | undefined;
  stalls?: number;
  stallMs?: number;
  liveLatencyMs?: number | null | undefined;
}

/** What the wasm peer has the page do. */
export interface Page {
  /**
   * Fetches `url`, or its bytes from `start` to `end` (exclusive; infinite for all that follows; both -1 for everything).
   * `onData` gets each piece, and the result is whether the server ignored the range (`undefined`: there was none); without
   * it the result is the body, of `limit` bytes at most.
   */
  fetch(
    url: string,
    start: number,
    end: number,
    limit: number,
    onData: ((piece: Uint8Array<ArrayBuffer>) => void) | undefined,
  ): { done: Promise<unknown>; abort(): void };
  /** Makes the page's key pair: ECDSA on P-256. The result is the public key, x‖y. */
  makeKey(): Promise<Uint8Array>;
  /** The signature over `message` by that key. Here and below arguments are views of the peer's memory. */
  sign(message: Uint8Array<ArrayBuffer>): Promise<Uint8Array>;
  /** Is `signature` by `key` over `message`? `algorithm`: its DNSSEC number. Never rejects. */
  verify(
    algorithm: number,
    key: Uint8Array<ArrayBuffer>,
    signature: Uint8Array<ArrayBuffer>,
    message: Uint8Array<ArrayBuffer>,
  ): Promise<boolean>;
  /** For the reports to the tracker. */
  experience(): Experience;
  /** What its own end of a connection in use is: 1 an interface of its own, 2 seen from outside a NAT, 3 a relay's; else 0. */
  candidateType(connection: RTCPeerConnection): number;
  /** 16 random bytes. */
  random(): Uint8Array;
}

/** The object that `wasm-peer` exports. Any call may throw a `WebAssembly.RuntimeError`: then it is lost. */
export interface Peer {
  /** Takes a manifest, whose URLs are relative to `base`. Throws an error whose name says why it is none. */
  open(manifest: string, base: string): void;
  covers(playlist: string): boolean;
  /** Rejects with an error named `uncovered` where no swarm has this segment. */
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
export type PeerConstructor = new (config: object, onEvent: (type: string, detail: object) => void, page: Page) => Peer;
