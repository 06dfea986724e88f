/** The table of peers. */

import type { PeerInfo } from 'shoal';
import { bytes, rate, shortId } from './format';

/** Shows `peers` in the table body `element`. */
export function showPeers(element: HTMLElement, peers: PeerInfo[]): void {
  const rows = new Map([...element.children].map((row) => [(row as HTMLElement).dataset.peer, row as HTMLElement]));
  const wanted = peers.map((peer) => {
    const row = rows.get(peer.id) ?? newRow(peer.id);
    const cells = [
      shortId(peer.id),
      peer.state,
      rate(peer.downloadRate),
      rate(peer.uploadRate),
      bytes(peer.downloadedBytes ?? 0),
      bytes(peer.uploadedBytes ?? 0),
    ];
    cells.forEach((text, index) => {
      const cell = row.children[index];
      if (cell && cell.textContent !== text) cell.textContent = text;
    });
    return row;
  });
  if (wanted.length !== element.childElementCount || wanted.some((row, index) => row !== element.children[index])) {
    element.replaceChildren(...wanted);
  }
}

function newRow(id: string): HTMLElement {
  const row = document.createElement('tr');
  row.dataset.peer = id;
  row.title = id;
  for (let cell = 0; cell < 6; cell++) row.append(document.createElement('td'));
  return row;
}
