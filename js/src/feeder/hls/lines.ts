/** A playlist's lines, and the forms of value in them. */

/** Longest URI or quoted string. */
const MAX_TEXT_LENGTH = 8192;

/** One line that means something. */
export interface Line {
  /** Its number, from 1. */
  line: number;
  /** The name of a tag without its `#`; empty for a URI. */
  tag: string;
  /** What follows the tag's colon, or the URI. */
  value: string;
}

/** @throws always; line 0 is the whole playlist */
export function fail(line: number, problem: string): never {
  throw new Error(`line ${line}: ${problem}`);
}

/** The lines without blank ones and comments (RFC 8216 §4.1). */
export function readLines(text: string): Line[] {
  const lines: Line[] = [];
  text.split('\n').forEach((raw, index) => {
    const value = raw.trim();
    const line = index + 1;
    if (value.startsWith('#EXT')) {
      const colon = value.indexOf(':');
      if (colon < 0) lines.push({ line, tag: value.slice(1), value: '' });
      else lines.push({ line, tag: value.slice(1, colon), value: value.slice(colon + 1) });
    } else if (value && value[0] !== '#') {
      lines.push({ line, tag: '', value });
    }
  });
  return lines;
}

/** A URI or a quoted string, checked. */
export function checkText(line: number, text: string): string {
  if (text.length > MAX_TEXT_LENGTH) {
    fail(line, `text of ${text.length} bytes, at most ${MAX_TEXT_LENGTH} are accepted`);
  }
  if (/\p{Cc}/u.test(text)) fail(line, 'control character');
  return text;
}

/** A URI, checked. */
export function checkUri(line: number, uri: string): string {
  return uri ? checkText(line, uri) : fail(line, 'empty URI');
}

/** A decimal integer (RFC 8216 §4.2): digits only, below 2^64. Above 2^53 it is not exact. */
export function integer(text: string): number | undefined {
  return /^\d+$/.test(text) && Number(text) <= 2 ** 64 ? Number(text) : undefined;
}

/** A non-negative decimal floating-point number (RFC 8216 §4.2): digits with at most one point. */
export function decimal(text: string): number | undefined {
  return /^(\d+(\.\d*)?|\.\d+)$/.test(text) && Number(text) < 1e12 ? Number(text) : undefined;
}
