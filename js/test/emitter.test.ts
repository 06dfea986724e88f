import { expect, it, vi } from 'vitest';
import { Emitter } from '../src/emitter.js';

interface Events {
  a: number;
  b: string;
}

it('calls listeners in order, and only those of the event', () => {
  const emitter = new Emitter<Events>();
  const seen: unknown[] = [];
  emitter.on('a', (value) => seen.push(['first', value])).on('a', (value) => seen.push(['second', value]));
  emitter.on('b', (value) => seen.push(value));
  emitter.emit('a', 1);
  expect(seen).toEqual([
    ['first', 1],
    ['second', 1],
  ]);
});

it('adds a listener once and removes it', () => {
  const emitter = new Emitter<Events>();
  const listener = vi.fn();
  emitter.on('a', listener).on('a', listener);
  expect(emitter.listenerCount('a')).toBe(1);
  emitter.emit('a', 1);
  emitter.off('a', listener).off('b', listener);
  emitter.emit('a', 2);
  expect(listener.mock.calls).toEqual([[1]]);
});

it('goes on when a listener throws, and reports it', () => {
  const report = vi.fn();
  vi.stubGlobal('reportError', report);
  const emitter = new Emitter<Events>();
  const error = new Error('of the application');
  const after = vi.fn();
  emitter.on('a', () => {
    throw error;
  });
  emitter.on('a', after);
  emitter.emit('a', 1);
  expect(report).toHaveBeenCalledWith(error);
  expect(after).toHaveBeenCalledOnce();
  vi.unstubAllGlobals();
});

it('lets a listener remove itself while it is called', () => {
  const emitter = new Emitter<Events>();
  const after = vi.fn();
  const once = () => emitter.off('a', once);
  emitter.on('a', once).on('a', after);
  emitter.emit('a', 1);
  emitter.emit('a', 2);
  expect(after).toHaveBeenCalledTimes(2);
  expect(emitter.listenerCount('a')).toBe(1);
});
