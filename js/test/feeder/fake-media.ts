/** Media Source Extensions that tests steer: what is appended is buffered, nothing is decoded. */

import { vi } from 'vitest';
import { readTracks, startTime } from '../../src/feeder/boxes.js';
import { view } from './media.js';

/** Seconds of each segment. */
export const LENGTH = 4;

/** Ranges as a `TimeRanges`. */
function timeRanges(ranges: [number, number][]): TimeRanges {
  return { length: ranges.length, start: (index) => ranges[index]?.[0] ?? 0, end: (index) => ranges[index]?.[1] ?? 0 };
}

export class FakeSourceBuffer extends EventTarget {
  updating = false;
  timestampOffset = 0;
  ranges: [number, number][] = [];
  /** How many segments fit. */
  quota = Number.POSITIVE_INFINITY;
  readonly appended: (number | 'init')[] = [];
  #tracks: ReturnType<typeof readTracks> = [];

  constructor(public type: string) {
    super();
  }

  get buffered(): TimeRanges {
    return timeRanges(this.ranges);
  }

  changeType(type: string) {
    this.type = type;
  }

  appendBuffer(data: BufferSource) {
    const bytes = ArrayBuffer.isView(data) ? new Uint8Array(data.buffer as ArrayBuffer) : new Uint8Array(data);
    const tracks = readTracks(view(bytes));
    if (tracks.length) {
      this.#tracks = tracks;
      this.appended.push('init');
    } else {
      const start = (startTime(view(bytes), this.#tracks) ?? 0) + this.timestampOffset;
      const held = this.ranges.reduce((sum, [from, to]) => sum + (to - from) / LENGTH, 0);
      if (held >= this.quota) throw new DOMException('full', 'QuotaExceededError');
      this.appended.push(start);
      const last = this.ranges.at(-1);
      if (last?.[1] === start) last[1] = start + LENGTH;
      else this.ranges.push([start, start + LENGTH]);
    }
    this.#update();
  }

  remove(start: number, end: number) {
    this.ranges = this.ranges.flatMap(([from, to]): [number, number][] => {
      const kept: [number, number][] = [
        [from, Math.min(to, start)],
        [Math.max(from, end), to],
      ];
      return kept.filter(([from, to]) => from < to);
    });
    this.#update();
  }

  #update() {
    this.updating = true;
    queueMicrotask(() => {
      this.updating = false;
      this.dispatchEvent(new Event('updateend'));
    });
  }
}

export class FakeMediaSource extends EventTarget {
  static last: FakeMediaSource | undefined;
  static isTypeSupported = (type: string) => !type.includes('hvc1');
  readyState = 'closed';
  duration = Number.NaN;
  seekable: [number, number] | undefined;
  readonly buffers: FakeSourceBuffer[] = [];

  constructor() {
    super();
    FakeMediaSource.last = this;
  }

  addSourceBuffer(type: string) {
    const buffer = new FakeSourceBuffer(type);
    this.buffers.push(buffer);
    return buffer;
  }

  setLiveSeekableRange(start: number, end: number) {
    this.seekable = [start, end];
  }

  endOfStream() {
    this.readyState = 'ended';
  }
}

/** What of an element a test sets. */
export interface Element {
  currentTime: number;
  readyState: number;
  paused: boolean;
}

/** Puts the fakes in the place of the browser's own, and makes an element that opens what it is given. */
export function fakeMedia(): HTMLVideoElement & Element {
  FakeMediaSource.last = undefined;
  vi.stubGlobal('MediaSource', FakeMediaSource);
  vi.spyOn(URL, 'createObjectURL').mockReturnValue('blob:media');
  vi.spyOn(URL, 'revokeObjectURL').mockReturnValue();
  const video = document.createElement('video');
  let src = '';
  Object.defineProperties(video, {
    src: {
      get: () => src,
      set: (url: string) => {
        src = url;
        queueMicrotask(() => {
          if (!FakeMediaSource.last) return;
          FakeMediaSource.last.readyState = 'open';
          FakeMediaSource.last.dispatchEvent(new Event('sourceopen'));
        });
      },
    },
    removeAttribute: {
      value: () => {
        src = '';
      },
    },
    load: { value: vi.fn() },
    buffered: { get: () => FakeMediaSource.last?.buffers[0]?.buffered ?? timeRanges([]) },
    currentTime: { value: 0, writable: true },
    readyState: { value: 0, writable: true },
    paused: { value: false, writable: true },
    playbackRate: { value: 1 },
    seeking: { value: false },
    ended: { value: false },
  });
  return video;
}
