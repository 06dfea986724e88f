/** The chunks of the segments around the playhead, coloured by where they came from. */

import { type ChunkMapSegment, ChunkSource } from 'shoal';
import { fileName } from './format';

const CELL = 7;
const GAP = 1;
const ROWS = 4;

/** One playlist on the page. */
interface Track {
  section: HTMLElement;
  row: HTMLElement;
  figures: Map<number, HTMLElement>;
}

/** Shows chunk maps in `container`, a row of segments per playlist. */
export class ChunkMapView {
  readonly #container: HTMLElement;
  readonly #tracks = new Map<string, Track>();

  constructor(container: HTMLElement) {
    this.#container = container;
  }

  /** Shows `segments` and nothing else. */
  show(segments: ChunkMapSegment[]): void {
    const playlists = new Set(segments.map((segment) => segment.playlist));
    for (const [playlist, track] of this.#tracks) {
      if (playlists.has(playlist)) continue;
      track.section.remove();
      this.#tracks.delete(playlist);
    }
    [...playlists].sort().forEach((playlist, index) => {
      const track = this.#track(playlist);
      const present = this.#container.children[index];
      if (present !== track.section) this.#container.insertBefore(track.section, present ?? null);
      this.#showTrack(
        track,
        segments.filter((segment) => segment.playlist === playlist),
      );
    });
  }

  #showTrack(track: Track, segments: ChunkMapSegment[]): void {
    const style = getComputedStyle(this.#container);
    const figures = new Map<number, HTMLElement>();
    for (const segment of segments.sort((left, right) => left.segment - right.segment)) {
      const figure = track.figures.get(segment.segment) ?? newFigure();
      draw(figure, segment, style);
      figures.set(segment.segment, figure);
    }
    track.figures = figures;
    const wanted = [...figures.values()];
    const present = [...track.row.children];
    if (wanted.length !== present.length || wanted.some((figure, index) => figure !== present[index])) {
      track.row.replaceChildren(...wanted);
    }
  }

  #track(playlist: string): Track {
    let track = this.#tracks.get(playlist);
    if (!track) {
      const section = document.createElement('div');
      section.className = 'track';
      const title = document.createElement('h3');
      title.textContent = fileName(playlist);
      const row = document.createElement('div');
      row.className = 'segments';
      section.append(title, row);
      track = { section, row, figures: new Map() };
      this.#tracks.set(playlist, track);
    }
    return track;
  }
}

function newFigure(): HTMLElement {
  const figure = document.createElement('figure');
  figure.append(document.createElement('canvas'), document.createElement('figcaption'));
  return figure;
}

function draw(figure: HTMLElement, segment: ChunkMapSegment, style: CSSStyleDeclaration): void {
  const canvas = figure.querySelector('canvas');
  const context = canvas?.getContext('2d');
  if (!canvas || !context) return;
  const rows = Math.min(ROWS, segment.chunks);
  const columns = Math.ceil(segment.chunks / Math.max(1, rows));
  const pitch = CELL + GAP;
  const scale = devicePixelRatio || 1;
  canvas.width = Math.max(1, columns * pitch - GAP) * scale;
  canvas.height = Math.max(1, rows * pitch - GAP) * scale;
  canvas.style.width = `${canvas.width / scale}px`;
  canvas.style.height = `${canvas.height / scale}px`;
  context.scale(scale, scale);
  const counts = [0, 0, 0, 0, 0];
  for (let chunk = 0; chunk < segment.chunks; chunk++) {
    const source = segment.sources[chunk] ?? ChunkSource.missing;
    counts[source] = (counts[source] ?? 0) + 1;
    cell(context, Math.floor(chunk / rows) * pitch, (chunk % rows) * pitch, source, style);
  }
  const text =
    `segment ${segment.segment}: ${counts[ChunkSource.p2p]} of ${segment.chunks} chunks from peers, ` +
    `${counts[ChunkSource.http]} from the origin`;
  if (figure.title !== text) {
    figure.title = text;
    canvas.setAttribute('role', 'img');
    canvas.setAttribute('aria-label', text);
    const caption = figure.querySelector('figcaption');
    if (caption) caption.textContent = String(segment.segment);
  }
}

function cell(
  context: CanvasRenderingContext2D,
  x: number,
  y: number,
  source: number,
  style: CSSStyleDeclaration,
): void {
  const colour = (name: string) => style.getPropertyValue(name);
  switch (source) {
    case ChunkSource.p2p:
      context.fillStyle = colour('--p2p');
      context.fillRect(x, y, CELL, CELL);
      break;
    case ChunkSource.http:
      context.fillStyle = colour('--http');
      context.fillRect(x, y, CELL, CELL);
      break;
    case ChunkSource.inFlight:
      context.fillStyle = colour('--missing');
      context.fillRect(x, y, CELL, CELL);
      context.strokeStyle = colour('--p2p');
      context.lineWidth = 1.5;
      context.beginPath();
      context.moveTo(x + 0.5, y + CELL - 0.5);
      context.lineTo(x + CELL - 0.5, y + 0.5);
      context.stroke();
      break;
    case ChunkSource.evicted:
      context.strokeStyle = colour('--evicted');
      context.lineWidth = 1;
      context.strokeRect(x + 0.5, y + 0.5, CELL - 1, CELL - 1);
      break;
    default:
      context.fillStyle = colour('--missing');
      context.fillRect(x, y, CELL, CELL);
  }
}
