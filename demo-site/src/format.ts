/** Figures as people read them. */

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB'];

/** Bytes with a decimal unit: `1.25 MB`. */
export function bytes(value: number): string {
  let size = Math.max(0, value);
  let unit = 0;
  while (size >= 1000 && unit < UNITS.length - 1) {
    size /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return `${size.toFixed(digits)} ${UNITS[unit]}`;
}

/** Bytes per second; what is left of a smoothed rate is nothing. */
export function rate(value: number): string {
  return value >= 100 ? `${bytes(value)}/s` : '–';
}

/** Milliseconds, as seconds when there are many. */
export function milliseconds(value: number | null): string {
  if (value === null) return '–';
  return value < 1000 ? `${Math.round(value)} ms` : `${(value / 1000).toFixed(2)} s`;
}

/** A part of one. */
export function percent(value: number): string {
  const parts = value * 100;
  return `${parts > 0 && parts < 10 ? parts.toFixed(1) : Math.round(parts)} %`;
}

/** The last part of a URL's path. */
export function fileName(url: string): string {
  return url.split(/[?#]/)[0]?.split('/').pop() || url;
}

/** The first digits of a peer ID: enough to tell neighbours apart. */
export function shortId(id: string): string {
  return id.slice(0, 8);
}
