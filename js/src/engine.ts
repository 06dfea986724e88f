/** The engine that every surface hands out: it owns the wasm peer and survives its failures. */

import { type ResolvedConfig, reconfigure, resolveConfig, type ShoalConfig } from './config.js';
import { Emitter, type Listener } from './emitter.js';
import { FallbackError, isTrap, messageOf, reasonOf } from './errors.js';
import { loadManifest } from './manifest.js';
import { createPage } from './page.js';
import { PlaybackWatch, type Position } from './playback.js';
import { LinkPolicy } from './policy.js';
import {
  type EngineState,
  emptyStats,
  type FallbackDetail,
  type PeerInfo,
  type ShoalEvents,
  type Stats,
  TOTALS,
} from './stats.js';
import type { TokenKeeper } from './token.js';
import { loadPeer, onTrap, type PeerLoader, reportTrap } from './wasm.js';
import type { ChunkMapSegment, Peer, ShownSegment } from './wasm-api.js';

/** One media segment to load. @internal */
export interface SegmentRequest {
  /** URL of the media playlist. */
  playlist: string;
  /** Number of the segment in it, from 0; in a live playlist its media sequence number. */
  segment: number;
  url: string;
  /** Byte range of `url`, end exclusive; both -1 for all of it. */
  start: number;
  end: number;
  /** Milliseconds from now until the player needs it. */
  deadline: number;
}

/** A segment on its way. @internal */
export interface SegmentLoad {
  readonly id: number;
  /** The bytes, the caller's to keep. Rejects when P2P cannot deliver them, whatever the cause. */
  readonly bytes: Promise<ArrayBuffer>;
  setDeadline(deadline: number): void;
  cancel(): void;
}

/** What tests put in the place of the page. @internal */
export interface EngineParts {
  loadPeer?: PeerLoader;
  loadManifest?: typeof loadManifest;
  loadFeeder?: FeederLoader;
}

/** Makes the native player available. @internal */
export type FeederLoader = () => Promise<Pick<typeof import('./feeder/feeder.js'), 'createFeeder'>>;

/**
 * Fetches media from peers and from the origin. Nothing here throws into a player: when P2P fails, the state
 * becomes `"fallback"`, the event `fallback` says why, and whoever asked goes to HTTP.
 */
export class Shoal {
  #config: ResolvedConfig;
  #state: EngineState = 'off';
  #peer: Peer | undefined;
  /** Which source the peer was made for; a late answer to an earlier one is ignored. */
  #generation = 0;
  /** Is the source to be opened as soon as the policy allows P2P? */
  #waiting = false;
  #opened = false;
  #wanted: boolean;
  #destroyed = false;
  #url: string | undefined;
  #nextId = 1;
  #stopTrapWatch: (() => void) | undefined;
  #statsTimer: ReturnType<typeof setInterval> | undefined;
  #last = emptyStats('off');
  #earlier = emptyStats('off');
  #plainBytes = 0;
  /** Where the page has a function for tokens. */
  #tokens: TokenKeeper | undefined;
  readonly #emitter = new Emitter<ShoalEvents>();
  /** Every fallback so far by its reason. */
  readonly #fallbacks = new Map<string, FallbackDetail>();
  readonly #pending = new Map<number, (error: Error) => void>();
  readonly #policy: LinkPolicy;
  readonly #loadPeer: PeerLoader;
  readonly #loadManifest: typeof loadManifest;
  /** @internal */
  readonly playback: PlaybackWatch;
  /** What a player that cannot go on without the wasm peer does when that is lost. @internal */
  onPeerLost: ((position: Position) => void) | undefined;
  /** Tells `liveLatencyMs`, where the player knows it. @internal */
  liveLatency: (() => number | null) | undefined;
  /** Tells the segments around the playhead, where the player knows them. @internal */
  window: (() => ShownSegment[]) | undefined;

  /** @throws `ConfigError` when an option is unknown or of the wrong form */
  constructor(config?: ShoalConfig);
  /** @internal */
  constructor(config?: ShoalConfig, parts?: EngineParts);
  constructor(config: ShoalConfig = {}, parts: EngineParts = {}) {
    this.#config = resolveConfig(config);
    this.#loadPeer = parts.loadPeer ?? loadPeer;
    this.#loadManifest = parts.loadManifest ?? loadManifest;
    this.#wanted = this.#config.startOn === 'load';
    this.#policy = new LinkPolicy(() => this.#applyPolicy());
    this.playback = new PlaybackWatch({
      onWanted: () => this.#onWanted(),
      onStall: (at, ms) => this.#emitter.emit('stall', { at, ms }),
    });
  }

  /** What the engine is doing. */
  get state(): EngineState {
    return this.#state;
  }

  /**
   * Calls `listener` on every `event`. While `stats` has listeners it comes once a second. A new listener of
   * `fallback` is also told of those that happened before: the engine may be handed out after its start.
   */
  on<Name extends keyof ShoalEvents>(event: Name, listener: Listener<ShoalEvents[Name]>): this {
    this.#emitter.on(event, listener);
    if (event === 'fallback') {
      const earlier = [...this.#fallbacks.values()];
      queueMicrotask(() => {
        for (const detail of earlier) this.#emitter.send('fallback', listener as Listener<FallbackDetail>, detail);
      });
    }
    this.#tick();
    return this;
  }

  /** Removes a listener. */
  off<Name extends keyof ShoalEvents>(event: Name, listener: Listener<ShoalEvents[Name]>): this {
    this.#emitter.off(event, listener);
    this.#tick();
    return this;
  }

  /** The figures so far. */
  stats(): Stats {
    const current = this.#ask((peer) => peer.stats() as Partial<Stats>);
    if (current) this.#last = { ...emptyStats(this.#state), ...current };
    const stats = { ...this.#last, state: this.#state };
    for (const name of TOTALS) stats[name] += this.#earlier[name];
    stats.httpBytes += this.#plainBytes;
    const total = stats.p2pBytes + stats.httpBytes;
    stats.p2pRatio = total > 0 ? stats.p2pBytes / total : 0;
    stats.startupMs = this.playback.startupMs;
    stats.stalls = this.playback.stalls;
    stats.stallMs = this.playback.stallMs;
    // Before there is a tracker the wasm peer names none.
    if (!stats.tracker?.url) stats.tracker = null;
    if (!this.#peer) {
      Object.assign(stats, { peers: 0, connecting: 0, tracker: null, swarms: [] });
    }
    stats.liveLatencyMs = this.liveLatency?.() ?? null;
    return stats;
  }

  /** The peers connected. */
  peers(): PeerInfo[] {
    return (this.#ask((peer) => peer.peers()) as PeerInfo[] | undefined) ?? [];
  }

  /** Where the chunks around the playhead came from, for display. */
  chunkMap(): ChunkMapSegment[] {
    return this.#ask((peer) => peer.chunkMap(this.window?.())) ?? [];
  }

  /**
   * Changes options at run time: `p2p`, `upload`, `maxUploadKbps`, `maxPeers`, `cacheBytes`, `urgentWindowSec`,
   * `debug`.
   *
   * @throws `ConfigError` for others, and for values of the wrong form
   */
  configure(partial: ShoalConfig): void {
    this.#config = reconfigure(this.#config, partial);
    const { maxUploadKbps, maxPeers, cacheBytes, urgentWindowSec, debug } = this.#config;
    this.#ask((peer) => peer.configure({ maxUploadKbps, maxPeers, cacheBytes, urgentWindowSec, debug }));
    this.#applyPolicy();
  }

  /** Leaves all swarms and frees everything. The engine cannot be used again; a player on it goes on over HTTP. */
  destroy(): void {
    if (this.#destroyed) return;
    this.#destroyed = true;
    const position = this.playback.position();
    this.#dropPeer(new FallbackError('destroyed', 'the engine was destroyed'));
    this.#setState('off');
    this.#policy.close();
    this.playback.close();
    this.#emitter.removeAllListeners();
    this.#tick();
    this.onPeerLost?.(position);
  }

  /** Is P2P off by configuration? Then no wasm may be loaded. @internal */
  get refused(): boolean {
    return this.#config.p2p === 'off';
  }

  /**
   * Loads the wasm peer for the source `url`, in place of any earlier one. Resolves with `undefined` when that is
   * not possible; the `fallback` event has said why.
   *
   * @internal
   */
  async start(url: string): Promise<Peer | undefined> {
    const generation = this.#begin(url);
    if (this.refused || this.#destroyed) return undefined;
    this.#setState('loading');
    try {
      const Constructor = await this.#loadPeer();
      if (generation !== this.#generation) return undefined;
      this.#stopTrapWatch = onTrap((error) => this.#fail(error));
      const onEvent = (type: string, detail: object) => {
        if (generation === this.#generation) this.#onPeerEvent(type, detail);
      };
      const { stalls, stallMs } = this.playback;
      const experience = () => ({
        startupMs: this.playback.startupMs,
        stalls: this.playback.stalls - stalls,
        stallMs: this.playback.stallMs - stallMs,
        liveLatencyMs: this.liveLatency?.(),
      });
      const page = createPage(experience, (key) => this.#admit(key, generation));
      const peer = new Constructor(this.#peerConfig(), onEvent, page);
      this.#peer = peer;
      return peer;
    } catch (error) {
      if (generation === this.#generation) this.#fail(error, 'wasm-load');
      return undefined;
    }
  }

  /**
   * Loads the manifest of the source `url`: from then on segments may come from peers. With `keep`, the wasm peer
   * stays when there is no manifest, since the player has no other way to its segments.
   *
   * @internal
   */
  async open(source: string, keep = false): Promise<boolean> {
    if (this.#destroyed) return false;
    const url = new URL(source, document.baseURI).href;
    // On a link where P2P is not allowed nothing is downloaded for it, until it is allowed.
    if (!keep && !this.#policy.resolve(this.#config.p2p)) {
      this.#begin(url);
      this.#waiting = true;
      this.#setState('off');
      return false;
    }
    const peer = this.#url === url && this.#peer && !this.#opened ? this.#peer : await this.start(url);
    if (!peer) return false;
    const generation = this.#generation;
    try {
      const manifest = await this.#loadManifest(url, this.#config.manifest);
      if (generation !== this.#generation) return false;
      peer.open(...manifest);
      this.#opened = true;
      this.#setState('p2p');
      this.#applyPolicy();
      return true;
    } catch (error) {
      if (generation !== this.#generation) return false;
      if (keep && !isTrap(error)) this.#announce(reasonOf(error, 'open-failed'), messageOf(error));
      else this.#fail(error, 'open-failed');
      return false;
    }
  }

  /** Can this playlist's segments come from peers now? @internal */
  covers(playlist: string): boolean {
    if (!this.#opened || !this.#policy.resolve(this.#config.p2p)) return false;
    return this.#ask((peer) => peer.covers(playlist)) ?? false;
  }

  /** Asks for one segment; `undefined` when there is no peer to ask. @internal */
  loadSegment(request: SegmentRequest): SegmentLoad | undefined {
    const id = this.#nextId++;
    const answer = this.#ask((peer) =>
      peer.loadSegment(
        id,
        request.playlist,
        request.segment,
        request.url,
        request.start,
        request.end,
        Math.max(0, request.deadline),
      ),
    );
    if (!answer) return undefined;
    return {
      id,
      bytes: this.#guard(answer, id),
      setDeadline: (deadline) => {
        if (this.#pending.has(id)) this.#ask((peer) => peer.setDeadline(id, Math.max(0, deadline)));
      },
      cancel: () => {
        if (this.#pending.has(id)) this.#ask((peer) => peer.cancel(id));
      },
    };
  }

  /** Counts media that the player fetched without the wasm peer. @internal */
  countPlainBytes(bytes: number): void {
    this.#plainBytes += bytes;
  }

  /** Calls the wasm peer; a trap ends it. @internal */
  ask<Result>(call: (peer: Peer) => Result): Result | undefined {
    return this.#ask(call);
  }

  /** The player cannot play what it is to; it stood at `position`. @internal */
  giveUp(error: unknown, reason: string, position?: Position): void {
    this.#fail(error, reason, position);
  }

  /** Tells the application. @internal */
  tell<Name extends keyof ShoalEvents>(event: Name, detail: ShoalEvents[Name]): void {
    this.log(event, detail);
    this.#emitter.emit(event, detail);
  }

  #begin(url: string): number {
    this.#dropPeer(new FallbackError('source-changed', 'another source was set'));
    this.#url = url;
    this.#waiting = false;
    return this.#generation;
  }

  /** The wasm peer has made its key: a closed swarm wants a token of it. */
  async #admit(key: Uint8Array, generation: number): Promise<void> {
    const ask = this.#config.token;
    if (typeof ask !== 'function') return;
    const failed = (error: unknown) => `the token function failed: ${messageOf(error)}`;
    try {
      const { keepToken } = await import('./token.js');
      const keeper = await keepToken(
        key,
        ask,
        (token) => generation === this.#generation && this.#ask((peer) => peer.configure({ token })),
        (error) => this.tell('error', { message: failed(error), fatal: false }),
      );
      this.#tokens?.close();
      this.#tokens = keeper;
      if (generation !== this.#generation) keeper.close();
    } catch (error) {
      throw new FallbackError('token-failed', failed(error));
    }
  }

  /** What the wasm peer is told: everything decided, nothing left out but what has no value. */
  #peerConfig(): object {
    const { tracker, manifest: _, token, startOn: __, ...rest } = this.#config;
    return {
      ...rest,
      p2p: this.#allowed,
      upload: this.#policy.resolve(this.#config.upload),
      tracker: tracker.flat(),
      ...(typeof token === 'string' && { token }),
    };
  }

  get #allowed(): boolean {
    return this.#wanted && this.#policy.resolve(this.#config.p2p);
  }

  #onWanted(): void {
    if (this.#wanted) return;
    this.#wanted = true;
    this.#applyPolicy();
  }

  #applyPolicy(): void {
    if (this.#destroyed) return;
    const p2p = this.#policy.resolve(this.#config.p2p);
    this.#ask((peer) => peer.configure({ p2p: this.#allowed, upload: this.#policy.resolve(this.#config.upload) }));
    if (this.#opened && this.#peer && (this.#state === 'p2p' || this.#state === 'off')) {
      this.#setState(p2p ? 'p2p' : 'off');
    } else if (p2p && this.#waiting && this.#url !== undefined) {
      void this.open(this.#url);
    }
  }

  /** Calls the wasm peer. Whatever it throws is kept from the player. */
  #ask<Result>(call: (peer: Peer) => Result): Result | undefined {
    const peer = this.#peer;
    if (!peer) return undefined;
    try {
      return call(peer);
    } catch (error) {
      if (isTrap(error)) this.#fail(error);
      else this.log('the wasm peer refused a call:', error);
      return undefined;
    }
  }

  /** Makes a promise of the wasm peer fail when the peer is lost, since it would then never settle. */
  #guard<Result>(promise: Promise<Result>, id = this.#nextId++): Promise<Result> {
    return new Promise((resolve, reject) => {
      this.#pending.set(id, reject);
      promise.then(
        (value) => {
          this.#pending.delete(id);
          resolve(value);
        },
        (error) => {
          this.#pending.delete(id);
          if (isTrap(error)) this.#fail(error);
          reject(error);
        },
      );
    });
  }

  #onPeerEvent(type: string, detail: object): void {
    switch (type) {
      case 'fallback': {
        // The peer itself stays: it serves the player over HTTP, and may find its tracker later.
        const { reason, message } = detail as ShoalEvents['fallback'];
        this.#announce(reason, message);
        return;
      }
      case 'tracker':
      case 'peer':
        if (type === 'tracker') this.#tokens?.onTracker(detail as ShoalEvents['tracker']);
        if (this.#opened && this.#state === 'fallback' && (detail as { state: string }).state === 'joined') {
          this.#setState('p2p');
        }
        break;
    }
    this.tell(type as keyof ShoalEvents, detail as never);
  }

  /** P2P is over for this source. */
  #fail(error: unknown, reason = 'wasm-trap', position = this.playback.position()): void {
    const failure = isTrap(error)
      ? reportTrap(error)
      : error instanceof FallbackError
        ? error
        : new FallbackError(reasonOf(error, reason), messageOf(error));
    // `reportTrap` has come back here through `onTrap` when this engine is watching.
    if (this.#destroyed || (this.#state === 'fallback' && !this.#peer && this.#fallbacks.has(failure.reason))) return;
    this.#dropPeer(failure);
    this.#announce(failure.reason, failure.message);
    this.onPeerLost?.(position);
  }

  #announce(reason: string, message: string): void {
    this.#setState('fallback');
    if (this.#fallbacks.has(reason)) return;
    this.#fallbacks.set(reason, { reason, message });
    this.log('fallback', reason, message);
    this.#emitter.emit('fallback', { reason, message });
  }

  #dropPeer(why: FallbackError): void {
    this.#generation += 1;
    this.#opened = false;
    this.#stopTrapWatch?.();
    this.#stopTrapWatch = undefined;
    this.#tokens?.close();
    const peer = this.#peer;
    if (peer) {
      // The last figures, then its end; after a trap neither may work.
      if (why.reason !== 'wasm-trap') this.stats();
      this.#peer = undefined;
      for (const name of TOTALS) this.#earlier[name] += this.#last[name];
      this.#last = { ...this.#last, ...Object.fromEntries(TOTALS.map((name) => [name, 0])) };
      try {
        peer.destroy();
      } catch (error) {
        this.log('the wasm peer did not end cleanly:', error);
      }
    }
    const pending = [...this.#pending.values()];
    this.#pending.clear();
    for (const reject of pending) reject(why);
  }

  #setState(state: EngineState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#emitter.emit('state', { state });
  }

  #tick(): void {
    const needed = this.#emitter.listenerCount('stats') > 0;
    if (needed && this.#statsTimer === undefined) {
      this.#statsTimer = setInterval(() => this.#emitter.emit('stats', this.stats()), 1000);
    } else if (!needed && this.#statsTimer !== undefined) {
      clearInterval(this.#statsTimer);
      this.#statsTimer = undefined;
    }
  }

  /** Writes to the console when asked to by `debug`. @internal */
  log(...what: unknown[]): void {
    if (this.#config.debug) console.debug('[shoal]', ...what);
  }
}
