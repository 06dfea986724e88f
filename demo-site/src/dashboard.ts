/** Everything on the page that shows figures. */

import type { Stats } from 'shoal';
import { Chart } from './chart';
import { ChunkMapView } from './chunk-map';
import { element } from './dom';
import { bytes, milliseconds, percent } from './format';
import { PeersView } from './peers';
import type { Session } from './session';

const STATE_WORDS: Record<Stats['state'], string> = {
  off: 'plain HTTP',
  loading: 'loading P2P',
  p2p: 'P2P',
  fallback: 'plain HTTP (fallback)',
};

/** Shows the figures of one session after the other. */
export class Dashboard {
  readonly #chart = new Chart(element('chart', HTMLCanvasElement));
  readonly #peers = new PeersView(element('peers'));
  readonly #map = new ChunkMapView(element('chunk-map'));

  /** Another session begins. */
  reset(): void {
    this.#chart.reset();
    element('notice').hidden = true;
  }

  /** Says in a line above the player why P2P is off. */
  notice(text: string): void {
    const notice = element('notice');
    notice.textContent = text;
    notice.hidden = false;
  }

  /** Shows everything as it is now. */
  update(session: Session, stats: Stats): void {
    this.#updateTotals(stats);
    this.#chart.add(stats.p2pBytes, stats.httpBytes);

    const state = element('state');
    state.dataset.state = stats.state;
    text('state', STATE_WORDS[stats.state]);
    state.title = `Played by ${session.who()}`;

    const peers = session.shoal.peers();
    text('peer-count', String(stats.peers));
    this.#peers.show(peers);
    text('no-peers', peers.length > 0 ? '' : noPeers(stats));

    const map = session.shoal.chunkMap();
    this.#map.show(map);
    text('no-map', map.length > 0 ? '' : noMap(stats));
  }

  #updateTotals(stats: Stats): void {
    const total = stats.p2pBytes + stats.httpBytes;
    text('p2p-share', total > 0 ? percent(stats.p2pRatio) : '–');
    element('share-p2p').style.width = `${stats.p2pRatio * 100}%`;
    element('share-http').style.width = total > 0 ? `${(1 - stats.p2pRatio) * 100}%` : '0';
    text('p2p-bytes', bytes(stats.p2pBytes));
    text('http-bytes', bytes(stats.httpBytes));
    text('uploaded-bytes', bytes(stats.uploadedBytes));
    text('discarded-bytes', bytes(stats.discardedBytes));
    text('bad-chunks', String(stats.badChunks));
    text('startup', milliseconds(stats.startupMs));
    text('first-p2p', milliseconds(stats.firstP2PByteMs));
    text('stalls', stats.stalls === 0 ? '0' : `${stats.stalls} (${milliseconds(stats.stallMs)})`);
    text('tracker', stats.tracker ? stats.tracker.state : '–');
    element('tracker').title = stats.tracker?.url ?? '';
  }
}

function text(id: string, value: string): void {
  const node = element(id);
  if (node.textContent !== value) node.textContent = value;
}

function noPeers(stats: Stats): string {
  switch (stats.state) {
    case 'p2p':
      return stats.connecting > 0 ? 'Connecting.' : 'Nobody else watches this yet: open the page in a second window.';
    case 'loading':
      return 'The engine is loading; playback does not wait for it.';
    default:
      return 'Delivery is plain HTTP.';
  }
}

function noMap(stats: Stats): string {
  return stats.state === 'p2p' || stats.state === 'loading'
    ? 'No segment was asked for yet.'
    : 'Over plain HTTP there are no chunks: segments come from the origin as they are.';
}
