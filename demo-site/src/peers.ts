/** The table of peers. */

import type { PeerInfo } from 'shoal';
import { bytes, rate, shortId } from './format';

/** How much of a new measurement goes into the rate shown: it is read, not plotted. */
const SMOOTHING = 0.4;

/** What a row was made of last. */
interface Shown {
  row: HTMLElement;
  at: number;
  received: number;
  given: number;
  receiving: number;
  giving: number;
}

/** Shows peers in a table body. */
export class PeersView {
  readonly #body: HTMLElement;
  #shown = new Map<string, Shown>();

  constructor(body: HTMLElement) {
    this.#body = body;
  }

  /** Shows `peers` and nobody else. */
  show(peers: PeerInfo[]): void {
    const shown = new Map<string, Shown>();
    for (const peer of peers) {
      const now = performance.now();
      const { downloadedBytes: received, uploadedBytes: given } = peer;
      const entry = this.#shown.get(peer.peer) ?? {
        row: newRow(peer.peer),
        at: now,
        received,
        given,
        receiving: 0,
        giving: 0,
      };
      const seconds = (now - entry.at) / 1000;
      if (seconds > 0.2) {
        entry.receiving += SMOOTHING * ((received - entry.received) / seconds - entry.receiving);
        entry.giving += SMOOTHING * ((given - entry.given) / seconds - entry.giving);
        Object.assign(entry, { at: now, received, given });
      }
      const words = [shortId(peer.peer), peer.state, rate(entry.receiving), rate(entry.giving)];
      [...words, bytes(received), bytes(given)].forEach((text, index) => {
        const cell = entry.row.children[index];
        if (cell && cell.textContent !== text) cell.textContent = text;
      });
      shown.set(peer.peer, entry);
    }
    this.#shown = shown;
    const rows = [...shown.values()].map(({ row }) => row);
    const present = this.#body.children;
    if (rows.length !== present.length || rows.some((row, index) => row !== present[index])) {
      this.#body.replaceChildren(...rows);
    }
  }
}

function newRow(id: string): HTMLElement {
  const row = document.createElement('tr');
  row.dataset.peer = id;
  row.title = id;
  for (let cell = 0; cell < 6; cell++) row.append(document.createElement('td'));
  return row;
}
