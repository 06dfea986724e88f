/** The fragment loader that hls.js gets: segments from the engine, everything else and every failure over HTTP. */

import type {
  FragmentLoaderContext,
  HlsConfig,
  Loader,
  LoaderCallbacks,
  LoaderConfiguration,
  LoaderStats,
} from 'hls.js';
import type { SegmentLoad } from './engine.js';
import type { HlsSource, InFlight, Located } from './hls-source.js';
import { measure, resetStats, setLoaded } from './hls-timing.js';

/** A class of loaders, as hls.js takes it in its configuration. */
export type FragmentLoaderClass = new (config: HlsConfig) => Loader<FragmentLoaderContext>;

/** A fragment needed sooner than this does not wait for an engine that is still loading. */
const PATIENT_MS = 3000;

/** Longest wait for the engine. */
const MAX_WAIT_MS = 3000;

/** Makes the loader class of one hls.js instance, on top of the one that it would use without Shoal. */
export function shoalFragmentLoader(source: HlsSource, PlainLoader: FragmentLoaderClass): FragmentLoaderClass {
  return class ShoalFragmentLoader implements Loader<FragmentLoaderContext>, InFlight {
    context: FragmentLoaderContext | null = null;
    // hls.js keeps a reference to this object: both loaders must write into the same one.
    readonly stats: LoaderStats;
    playlist = '';
    segment = -1;

    readonly #plain: Loader<FragmentLoaderContext>;
    #config: LoaderConfiguration | undefined;
    #callbacks: LoaderCallbacks<FragmentLoaderContext> | undefined;
    #load: SegmentLoad | undefined;
    #watchdog: ReturnType<typeof setTimeout> | undefined;
    #phase: 'new' | 'waiting' | 'shoal' | 'plain' | 'done' = 'new';
    #startedAt = 0;
    #firstAt = 0;
    #lastAt = 0;
    #deadlineAt = 0;
    #p2pBytes = 0;

    constructor(config: HlsConfig) {
      this.#plain = new PlainLoader(config);
      this.stats = this.#plain.stats;
    }

    load(
      context: FragmentLoaderContext,
      config: LoaderConfiguration,
      callbacks: LoaderCallbacks<FragmentLoaderContext>,
    ): void {
      if (this.#phase !== 'new') throw new Error('Loader can only be used once.');
      this.context = context;
      this.#config = config;
      this.#callbacks = callbacks;
      const located = source.locate(context);
      if (!located) {
        this.#loadPlain();
        return;
      }
      this.#startedAt = this.stats.loading.start = performance.now();
      const deadline = source.deadline(context);
      if (source.shoal.state === 'loading' && deadline >= PATIENT_MS) {
        this.#phase = 'waiting';
        void source.ready(Math.min(deadline / 2, MAX_WAIT_MS)).then(() => {
          if (this.#phase === 'waiting') this.#loadFromShoal(located);
        });
      } else {
        this.#loadFromShoal(located);
      }
    }

    abort(): void {
      if (this.#phase === 'plain') {
        this.#plain.abort();
        return;
      }
      const wasLoading = this.#phase === 'waiting' || this.#phase === 'shoal';
      this.#stop();
      if (!wasLoading || !this.context) return;
      this.stats.aborted = true;
      this.#callbacks?.onAbort?.(this.stats, this.context, null);
    }

    destroy(): void {
      this.#stop();
      this.#callbacks = undefined;
      this.context = null;
      this.#plain.destroy();
    }

    getCacheAge(): number | null {
      return this.#phase === 'plain' ? (this.#plain.getCacheAge?.() ?? null) : null;
    }

    getResponseHeader(name: string): string | null {
      return this.#phase === 'plain' ? (this.#plain.getResponseHeader?.(name) ?? null) : null;
    }

    onChunk(bytes: number, fromPeer: boolean): void {
      this.#lastAt = performance.now();
      if (this.#firstAt === 0) this.#firstAt = this.stats.loading.first = this.#lastAt;
      if (fromPeer) this.#p2pBytes += bytes;
      this.stats.loaded += bytes;
      this.stats.chunkCount += 1;
    }

    onDeadlineChange(): void {
      if (!this.#load || !this.context) return;
      const deadline = source.deadline(this.context);
      this.#deadlineAt = performance.now() + deadline;
      this.#load.setDeadline(deadline);
    }

    #loadFromShoal(located: Located): void {
      const { shoal } = source;
      const { context } = this;
      if (!context) return;
      const deadline = source.deadline(context);
      const load = shoal.covers(located.playlist) ? shoal.loadSegment({ ...located, deadline }) : undefined;
      if (!load) {
        this.#loadPlain();
        return;
      }
      this.#phase = 'shoal';
      this.#load = load;
      this.#deadlineAt = performance.now() + deadline;
      this.playlist = located.playlist;
      this.segment = located.segment;
      source.inFlight.add(this);
      this.#watch();
      load.bytes.then(
        (bytes) => {
          if (this.#load !== load) return;
          const whole = located.end < 0 || bytes.byteLength === located.end - located.start;
          if (whole && bytes.byteLength > 0) this.#succeed(bytes);
          else this.#loadPlain();
        },
        // Whatever the reason, the player does not hear of it: the origin is asked in the ordinary way.
        () => {
          if (this.#load === load) this.#loadPlain();
        },
      );
    }

    #succeed(data: ArrayBuffer): void {
      const { context, stats } = this;
      const callbacks = this.#callbacks;
      const end = performance.now();
      this.#stop();
      if (!context || !callbacks) return;
      const arrival = {
        start: this.#startedAt,
        first: this.#firstAt,
        end,
        deadlineAt: this.#deadlineAt,
        bytes: data.byteLength,
        seenBytes: stats.loaded,
        p2pBytes: this.#p2pBytes,
      };
      measure(source.throughput, arrival);
      setLoaded(stats, arrival, source.bitsPerSecond);
      callbacks.onProgress?.(stats, context, data, null);
      callbacks.onSuccess({ url: context.url, data, code: 200 }, stats, context, null);
    }

    #loadPlain(): void {
      this.#stop();
      const { context } = this;
      const config = this.#config;
      const callbacks = this.#callbacks;
      if (!context || !config || !callbacks) return;
      this.#phase = 'plain';
      resetStats(this.stats);
      this.#plain.load(context, config, {
        ...callbacks,
        onSuccess: (response, stats, loaded, details) => {
          if (loaded.frag.sn !== 'initSegment') source.shoal.countPlainBytes(stats.loaded);
          callbacks.onSuccess(response, stats, loaded, details);
        },
      });
    }

    /**
     * The engine meets deadlines by itself. Should it hang all the same, the origin is asked once the deadline is
     * long past: later than a plain request would have timed out.
     */
    #watch(): void {
      const policy = this.#config?.loadPolicy;
      const patience = 2 * (policy?.maxTimeToFirstByteMs || policy?.maxLoadTimeMs || 10_000);
      if (!Number.isFinite(patience)) return;
      const giveUpAt = Math.max(this.#deadlineAt, this.#lastAt) + patience;
      const left = giveUpAt - performance.now();
      if (left <= 0) this.#loadPlain();
      else this.#watchdog = setTimeout(() => this.#watch(), Math.min(left, 2 ** 31 - 1));
    }

    /** Ends whatever this loader is doing with the engine. */
    #stop(): void {
      const load = this.#load;
      this.#load = undefined;
      this.#phase = 'done';
      clearTimeout(this.#watchdog);
      source.inFlight.delete(this);
      load?.cancel();
    }
  };
}
