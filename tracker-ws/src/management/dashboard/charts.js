// What the dashboard draws: bars, tables and lines over time. Everything is made of text and elements, never of markup.

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 176;
const LEFT = 44;
const RIGHT = 8;
const TOP = 8;
const BOTTOM = 22;

/** An element with this text in it. */
export function element(name, text = '', attributes = {}) {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

function drawn(name, attributes, text = '') {
  const made = document.createElementNS(SVG, name);
  made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  return made;
}

/** A whole number as a reader wants it. */
export const count = (value) => value.toLocaleString('en', { maximumFractionDigits: 0 });

/** A share of 1. */
export const percent = (share) => (share === undefined ? '–' : `${(share * 100).toFixed(1)} %`);

/** Bytes. */
export function bytes(value) {
  const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];
  let unit = 0;
  for (; value >= 1000 && unit < units.length - 1; unit += 1) value /= 1000;
  return `${value.toFixed(unit === 0 || value >= 100 ? 0 : 1)} ${units[unit]}`;
}

/** A bar for each pair of name and number, the largest first. */
export function bars(into, pairs, empty) {
  const sorted = [...pairs].sort((a, b) => b[1] - a[1]).slice(0, 10);
  if (sorted.length === 0) {
    into.replaceChildren(element('p', empty, { class: 'empty' }));
    return;
  }
  const most = sorted[0][1];
  const list = element('ul', '', { class: 'bars' });
  for (const [name, value] of sorted) {
    const line = element('span');
    line.append(element('span', name), element('span', count(value)));
    const meter = element('meter', '', { max: Math.max(most, 1), value, 'aria-label': name });
    const item = element('li');
    item.append(line, meter);
    list.append(item);
  }
  into.replaceChildren(list);
}

/** A table with a caption, the names of its columns, and rows of texts. */
export function table(into, caption, columns, rows, empty) {
  if (rows.length === 0) {
    into.replaceChildren(element('p', empty, { class: 'empty' }));
    return;
  }
  const made = element('table');
  made.append(element('caption', caption));
  const head = element('tr');
  for (const column of columns) head.append(element('th', column, { scope: 'col' }));
  const header = element('thead');
  header.append(head);
  const body = element('tbody');
  for (const cells of rows) {
    const row = element('tr');
    for (const cell of cells) row.append(element('td', cell));
    body.append(row);
  }
  made.append(header, body);
  into.replaceChildren(made);
}

/**
 * Lines over time. `lines`: name, class, and a number or undefined for each sample. `samples` have `at`, Unix ms.
 * `format`: how numbers read; `ceiling`: the top of the scale, where it is fixed; `scale`: how numbers beside it read.
 */
export function lines(into, samples, lines, format, ceiling, scale = format) {
  const known = lines.flatMap(({ values }) => values.filter((value) => value !== undefined));
  if (known.length === 0) {
    into.replaceChildren(element('p', 'Nothing is reported yet.', { class: 'empty' }));
    return;
  }
  // Pixels, so that letters have the size of letters.
  const width = Math.max(into.clientWidth, 200);
  const top = ceiling ?? roundUp(Math.max(...known, 1));
  const [first, last] = [samples[0].at, samples.at(-1).at];
  const span = Math.max(last - first, 60_000);
  const x = (at) => LEFT + ((at - (last - span)) / span) * (width - LEFT - RIGHT);
  const y = (value) => HEIGHT - BOTTOM - (value / top) * (HEIGHT - TOP - BOTTOM);
  const summary = lines.map(({ name, values }) => `${name}: now ${format(values.at(-1))}`).join('; ');
  const svg = drawn('svg', { viewBox: `0 0 ${width} ${HEIGHT}`, role: 'img', 'aria-label': summary });
  for (const value of [0, top / 2, top]) {
    svg.append(drawn('line', { class: 'axis', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
    svg.append(drawn('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, scale(value)));
  }
  for (const [at, anchor] of [
    [last - span, 'start'],
    [last, 'end'],
  ]) {
    const time = new Date(at).toLocaleTimeString('en', { hour: '2-digit', minute: '2-digit', hour12: false });
    svg.append(drawn('text', { x: x(at), y: HEIGHT - 4, 'text-anchor': anchor }, time));
  }
  for (const { kind, values } of lines) {
    const points = samples.flatMap(({ at }, index) => {
      const value = values[index];
      return value === undefined ? [] : [`${x(at).toFixed(1)},${y(value).toFixed(1)}`];
    });
    if (points.length === 0) continue;
    const [from, to] = [points[0].split(',')[0], points.at(-1).split(',')[0]];
    if (kind === 'first') {
      svg.append(drawn('polygon', { class: 'area', points: `${from},${y(0)} ${points.join(' ')} ${to},${y(0)}` }));
    }
    svg.append(drawn('polyline', { class: kind, points: points.join(' ') }));
  }
  const legend = element('ul', '', { class: 'legend' });
  for (const { name, values } of lines) {
    const item = element('li');
    item.append(element('i'), `${name}: ${format(values.at(-1))}`);
    legend.append(item);
  }
  into.replaceChildren(svg, legend);
}

/** The next number of one digit and zeros, at least 2. */
function roundUp(value) {
  const step = 10 ** Math.floor(Math.log10(value));
  return Math.max(Math.ceil(value / step) * step, 2);
}
