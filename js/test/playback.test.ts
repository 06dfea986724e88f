import { describe, expect, it, vi } from 'vitest';
import { PlaybackWatch } from '../src/playback.js';

/** A video that plays and has nothing buffered. */
function starved(duration: number): HTMLVideoElement {
  return Object.defineProperties(document.createElement('video'), {
    paused: { value: false },
    ended: { value: false },
    seeking: { value: false },
    currentTime: { value: 30, writable: true },
    duration: { value: duration },
    buffered: { value: { length: 0 } },
  });
}

function watch(duration: number) {
  const onStall = vi.fn();
  const playback = new PlaybackWatch({ onWanted: () => {}, onStall });
  const video = starved(duration);
  playback.watch(video);
  for (const event of ['playing', 'waiting', 'seeking']) video.dispatchEvent(new Event(event));
  return { playback, onStall };
}

describe('PlaybackWatch', () => {
  it('counts a wait that a live player ends by going on elsewhere', () => {
    const { playback, onStall } = watch(Number.POSITIVE_INFINITY);
    expect(playback.stalls).toBe(1);
    expect(onStall).toHaveBeenCalledOnce();
    // Only the feeder knows what its times mean.
    expect(playback.position()).toEqual({ time: 0, playing: true });
  });

  it('forgets a wait that the viewer ends by seeking', () => {
    const { playback, onStall } = watch(60);
    expect(playback.stalls).toBe(0);
    expect(onStall).not.toHaveBeenCalled();
    expect(playback.position()).toEqual({ time: 30, playing: true });
  });

  it('counts what happens after the start', () => {
    vi.useFakeTimers();
    const onStall = vi.fn();
    const playback = new PlaybackWatch({ onWanted: () => {}, onStall });
    const video = starved(60);
    playback.watch(video);
    playback.begin();
    const send = (event: string, ms: number) => {
      vi.advanceTimersByTime(ms);
      video.dispatchEvent(new Event(event));
    };
    send('waiting', 50);
    expect(playback.stalls).toBe(0);
    send('playing', 150);
    send('playing', 600);
    expect(playback.startupMs).toBe(200);
    send('waiting', 100);
    send('waiting', 200);
    send('playing', 300);
    send('playing', 100);
    expect(playback).toMatchObject({ startupMs: 200, stalls: 1, stallMs: 500 });
    expect(onStall).toHaveBeenCalledExactlyOnceWith(30, 500);
    vi.useRealTimers();
  });
});
