/** The list of what happened, newest last. */

import type { Shoal, ShoalEvents } from 'shoal';
import { bytes, fileName, milliseconds, shortId } from './format';

const MAX_LINES = 300;

type Tone = 'good' | 'bad' | '';

/** Writes into the list `element`. */
export class EventLog {
  readonly #element: HTMLElement;

  constructor(element: HTMLElement) {
    this.#element = element;
  }

  /** Writes the events of `shoal` from now on. */
  watch(shoal: Shoal): void {
    const write =
      <Name extends keyof ShoalEvents>(text: (detail: ShoalEvents[Name]) => string, tone: Tone = '') =>
      (detail: ShoalEvents[Name]) =>
        this.add(text(detail), tone);
    shoal.on(
      'state',
      write<'state'>(({ state }) => `state: ${state}`),
    );
    shoal.on(
      'tracker',
      write<'tracker'>(({ url, state, reason }) => `tracker ${state}: ${url}${reason ? ` (${reason})` : ''}`),
    );
    shoal.on('peer', ({ peer, state, reason }) =>
      this.add(
        `peer ${shortId(peer)} ${state}${reason ? `: ${reason}` : ''}`,
        state === 'joined' ? 'good' : state === 'banned' ? 'bad' : '',
      ),
    );
    shoal.on('segment', write<'segment'>(describeSegment));
    shoal.on(
      'rendition',
      write<'rendition'>(({ index }) => `rendition ${index}`),
    );
    shoal.on(
      'stall',
      write<'stall'>(({ at, ms }) => `stalled at ${at.toFixed(1)} s for ${milliseconds(ms)}`, 'bad'),
    );
    shoal.on(
      'fallback',
      write<'fallback'>(({ reason, message }) => `plain HTTP: ${reason}: ${message}`, 'bad'),
    );
    shoal.on(
      'error',
      write<'error'>(({ message }) => message, 'bad'),
    );
  }

  /** Adds a line. */
  add(text: string, tone: Tone = ''): void {
    const list = this.#element;
    const atEnd = list.scrollTop + list.clientHeight >= list.scrollHeight - 24;
    const item = document.createElement('li');
    const time = document.createElement('time');
    time.textContent = new Date().toTimeString().slice(0, 8);
    const words = document.createElement('span');
    words.textContent = text;
    words.className = tone;
    item.append(time, words);
    list.append(item);
    while (list.childElementCount > MAX_LINES) list.firstElementChild?.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}

function describeSegment({ playlist, segment, p2pBytes, httpBytes, peers, ms }: ShoalEvents['segment']): string {
  const parts: string[] = [];
  if (p2pBytes > 0) parts.push(`${bytes(p2pBytes)} from ${peers.length} peer${peers.length === 1 ? '' : 's'}`);
  if (httpBytes > 0) parts.push(`${bytes(httpBytes)} from the origin`);
  return `${fileName(playlist)} ${segment}: ${parts.join(', ')} in ${milliseconds(ms)}`;
}
