/** Received bytes by source, a bar every two seconds, and the share of peers as a line. */

import { bytes, percent } from './format';

const BARS = 60;
const SECONDS_PER_BAR = 2;
const GRID_LINES = 3;
/** Room for the labels, in CSS pixels. */
const MARGIN = { left: 62, right: 46, top: 8, bottom: 20 };

interface Bar {
  p2p: number;
  http: number;
}

/** Draws into `canvas`; one per playback. */
export class Chart {
  #bars: Bar[] = [{ p2p: 0, http: 0 }];
  #began = performance.now();
  #last: Bar = { p2p: 0, http: 0 };
  readonly #canvas: HTMLCanvasElement;

  constructor(canvas: HTMLCanvasElement) {
    this.#canvas = canvas;
    new ResizeObserver(() => this.#draw()).observe(canvas);
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.#draw());
  }

  /** Another playback begins. */
  reset(): void {
    this.#bars = [{ p2p: 0, http: 0 }];
    this.#last = { p2p: 0, http: 0 };
    this.#began = performance.now();
    this.#draw();
  }

  /** Takes the totals so far. */
  add(p2p: number, http: number): void {
    const wanted = Math.floor((performance.now() - this.#began) / 1000 / SECONDS_PER_BAR);
    // After a long sleep of the tab, older bars than these are not shown anyway.
    this.#began += Math.max(0, wanted - (this.#bars.length - 1) - BARS) * SECONDS_PER_BAR * 1000;
    while (this.#bars.length <= Math.floor((performance.now() - this.#began) / 1000 / SECONDS_PER_BAR)) {
      this.#bars.push({ p2p: 0, http: 0 });
    }
    const bar = this.#bars.at(-1);
    if (bar) {
      bar.p2p += Math.max(0, p2p - this.#last.p2p);
      bar.http += Math.max(0, http - this.#last.http);
    }
    this.#last = { p2p, http };
    const surplus = this.#bars.length - BARS;
    if (surplus > 0) {
      this.#bars.splice(0, surplus);
      this.#began += surplus * SECONDS_PER_BAR * 1000;
    }
    this.#draw();
  }

  #draw(): void {
    const canvas = this.#canvas;
    const { width, height } = canvas.getBoundingClientRect();
    const context = canvas.getContext('2d');
    if (!context || width === 0) return;
    const scale = devicePixelRatio || 1;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    context.scale(scale, scale);
    const style = getComputedStyle(canvas);
    const colour = (name: string) => style.getPropertyValue(name);
    const plot = {
      left: MARGIN.left,
      right: width - MARGIN.right,
      top: MARGIN.top,
      bottom: height - MARGIN.bottom,
    };
    const tall = plot.bottom - plot.top;
    const most = niceCeiling(Math.max(...this.#bars.map((bar) => bar.p2p + bar.http)) / SECONDS_PER_BAR);

    context.font = `11px ${style.fontFamily}`;
    context.fillStyle = colour('--soft');
    context.strokeStyle = colour('--line');
    context.lineWidth = 1;
    for (let line = 0; line <= GRID_LINES; line++) {
      const y = Math.round(plot.bottom - (tall * line) / GRID_LINES) + 0.5;
      context.beginPath();
      context.moveTo(plot.left, y);
      context.lineTo(plot.right, y);
      context.stroke();
      context.textBaseline = 'middle';
      context.textAlign = 'right';
      context.fillText(line === 0 ? '0' : `${bytes((most * line) / GRID_LINES)}/s`, plot.left - 6, y);
      context.textAlign = 'left';
      context.fillText(`${Math.round((100 * line) / GRID_LINES)} %`, plot.right + 6, y);
    }
    context.textBaseline = 'alphabetic';
    context.textAlign = 'left';
    context.fillText('2 min ago', plot.left, height - 4);
    context.textAlign = 'right';
    context.fillText('now', plot.right, height - 4);

    const step = (plot.right - plot.left) / BARS;
    const x = (index: number) => plot.right - (this.#bars.length - index) * step;
    const y = (value: number) => (value / SECONDS_PER_BAR / most) * tall;
    this.#bars.forEach((bar, index) => {
      const p2p = y(bar.p2p);
      const http = y(bar.http);
      context.fillStyle = colour('--p2p');
      context.fillRect(x(index) + 0.5, plot.bottom - p2p, step - 1, p2p);
      context.fillStyle = colour('--http');
      context.fillRect(x(index) + 0.5, plot.bottom - p2p - http, step - 1, http);
    });

    context.strokeStyle = colour('--text');
    context.lineWidth = 1.5;
    context.beginPath();
    const smooth = this.#shares();
    smooth.forEach((share, index) => {
      if (share === undefined) return;
      const at: [number, number] = [x(index) + step / 2, plot.bottom - share * tall];
      if (index === 0 || smooth[index - 1] === undefined) context.moveTo(...at);
      else context.lineTo(...at);
    });
    context.stroke();
    const latest = smooth.findLast((share) => share !== undefined);
    canvas.setAttribute(
      'aria-label',
      `Received bytes by source over two minutes; share of peers lately ${latest === undefined ? 'unknown' : percent(latest)}`,
    );
  }

  /** Share of peers around each bar: segments arrive in bursts, so ten seconds are taken together. */
  #shares(): (number | undefined)[] {
    return this.#bars.map((_, index) => {
      const near = this.#bars.slice(Math.max(0, index - 4), index + 1);
      const p2p = near.reduce((sum, bar) => sum + bar.p2p, 0);
      const total = near.reduce((sum, bar) => sum + bar.p2p + bar.http, 0);
      return total > 0 ? p2p / total : undefined;
    });
  }
}

/** The next of 1, 1.5, 3, 6 × 10ⁿ: thirds of it are short numbers. */
function niceCeiling(value: number): number {
  if (value <= 0) return 3e5;
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1.5, 3, 6, 10].find((factor) => value <= factor * power) ?? 10;
  return step * power;
}
