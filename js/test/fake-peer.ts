/** A `Peer` that tests steer, in the place of the wasm one. */

import type { PeerLoader } from '../src/wasm.js';
import type { ChunkMapSegment, Page, Peer, ShownSegment } from '../src/wasm-api.js';

interface Load {
  id: number;
  playlist: string;
  segment: number;
  url: string;
  start: number;
  end: number;
  deadline: number;
  resolve(bytes: ArrayBuffer): void;
  reject(error: Error): void;
}

/** What wasm code throws when it panics. */
export function trap(): WebAssembly.RuntimeError {
  return new WebAssembly.RuntimeError('unreachable');
}

/** An error as the wasm peer makes them: the reason is its name. */
export function named(name: string, message: string): Error {
  return Object.assign(new Error(message), { name });
}

export class FakePeer implements Peer {
  static made: FakePeer[] = [];
  /** A manifest that the peer refuses. */
  static readonly badManifest = '{"swarms":0}';
  readonly loads: Load[] = [];
  readonly cancelled: number[] = [];
  readonly deadlines: [number, number][] = [];
  readonly configured: object[] = [];
  /** What {@link open} has been called with. */
  manifest: [json: string, base: string] | undefined;
  /** Ends the manifest's download, which is begun with this source. */
  opened!: { source: string; resolve(json?: string): void; reject(error: Error): void };
  destroyed = 0;
  /** Bytes per second. */
  measured = 0;
  readonly digests = new Map<string, Uint8Array>();
  covered: (playlist: string) => boolean = () => true;
  figures: object = {};
  /** Thrown by every call from now on. */
  broken: Error | undefined;

  constructor(
    readonly config: Record<string, unknown>,
    readonly emit: (type: string, detail: object) => void,
    readonly page: Page,
  ) {
    FakePeer.made.push(this);
  }

  static get last(): FakePeer {
    const peer = FakePeer.made.at(-1);
    if (!peer) throw new Error('no peer was made');
    return peer;
  }

  #check(): void {
    if (this.broken) throw this.broken;
  }

  open(json: string, base: string): void {
    this.#check();
    this.manifest = [json, base];
    if (json === FakePeer.badManifest) throw named('manifest-invalid', 'swarms[0]');
  }

  covers(playlist: string): boolean {
    this.#check();
    return this.covered(playlist);
  }

  loadSegment(
    id: number,
    playlist: string,
    segment: number,
    url: string,
    start: number,
    end: number,
    deadline: number,
  ): Promise<ArrayBuffer> {
    this.#check();
    return new Promise((resolve, reject) => {
      this.loads.push({ id, playlist, segment, url, start, end, deadline, resolve, reject });
    });
  }

  setDeadline(id: number, deadline: number): void {
    this.#check();
    this.deadlines.push([id, deadline]);
  }

  cancel(id: number): void {
    this.#check();
    this.cancelled.push(id);
    this.loads.find((load) => load.id === id)?.reject(named('AbortError', 'cancelled'));
  }

  rate(): number {
    this.#check();
    return this.measured;
  }

  initDigest(_: string, init: string): Uint8Array | undefined {
    this.#check();
    return this.digests.get(init);
  }

  stats(): object {
    this.#check();
    return this.figures;
  }

  peers(): object[] {
    this.#check();
    return [{ peer: 'ab' }];
  }

  chunkMap(window: ShownSegment[] = []): ChunkMapSegment[] {
    this.#check();
    return window.map((shown) => ({ ...shown, chunks: 1, sources: new Uint8Array(1) }));
  }

  configure(partial: object): void {
    this.#check();
    this.configured.push(partial);
  }

  destroy(): void {
    this.destroyed += 1;
    this.#check();
  }
}

/** Loads {@link FakePeer}. */
export const loadFake: PeerLoader = () => Promise.resolve(FakePeer as never);

/** In the place of the page: {@link FakePeer} and the manifest that a test lets arrive. */
export const fakeParts = {
  loadPeer: loadFake,
  loadManifest: (source: string) =>
    new Promise<[string, string]>((resolve, reject) => {
      FakePeer.last.opened = { source, resolve: (json = '{}') => resolve([json, source]), reject };
    }),
};

/** Lets everything that is ready run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await Promise.resolve();
}

/** An engine on a fake peer that is open. */
export async function openEngine(): Promise<{ shoal: import('../src/engine.js').Shoal; peer: FakePeer }> {
  const { Shoal } = await import('../src/engine.js');
  const shoal = new Shoal({ startOn: 'load' }, fakeParts);
  const opening = shoal.open('http://example.test/media/index.m3u8');
  await settle();
  const peer = FakePeer.last;
  peer.opened.resolve();
  await opening;
  return { shoal, peer };
}
