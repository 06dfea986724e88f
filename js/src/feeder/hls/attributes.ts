/** Attribute lists (RFC 8216 §4.2). */

import { checkText, checkUri, decimal, fail, integer } from './lines.js';

/** Most attributes of one tag: no tag of the specification has half as many. */
const MAX_ATTRIBUTES = 64;

/** The attributes of one tag. Each is `undefined` where it is not there, and throws where it has another form. */
export interface Attributes {
  /** A quoted string. */
  string(name: string): string | undefined;
  /** `URI`, in quotes. */
  uri(): string | undefined;
  /** An enumerated string. */
  word(name: string): string | undefined;
  /** `YES` or `NO`, the latter by default. */
  yes(name: string): boolean;
  integer(name: string): number | undefined;
  decimal(name: string): number | undefined;
  /** Width and height. */
  resolution(name: string): [number, number] | undefined;
  /** The value of an attribute that must be there. */
  required<Value>(name: string, value: Value | undefined): Value;
}

/** Reads `NAME=value,NAME="value"`; blanks around names and values are tolerated. */
export function readAttributes(line: number, tag: string, text: string): Attributes {
  /** Quoted values keep their first quotation mark. */
  const list = new Map<string, string>();
  const pattern = /([A-Z\d-]+) *= *(?:("[^"]*)"|([^", ](?:[^",]*[^", ])?)) *(?:, *|$)/y;
  const trimmed = text.trim();
  while (pattern.lastIndex < trimmed.length) {
    const [, name, quoted, bare] = pattern.exec(trimmed) ?? fail(line, `${tag}: not an attribute list`);
    if (list.size === MAX_ATTRIBUTES) fail(line, `${tag}: too many attributes`);
    if (list.has(name as string)) fail(line, `${tag}: ${name?.slice(0, 40)} given twice`);
    list.set(name as string, (quoted ?? bare) as string);
  }
  const wrong = (name: string, want: string) => fail(line, `${tag}: ${name} is not ${want}`);
  const quoted = (name: string) => {
    const value = list.get(name);
    return value && value[0] !== '"' ? wrong(name, 'a quoted string') : value?.slice(1);
  };
  const word = (name: string) => {
    const value = list.get(name);
    return value?.[0] === '"' ? wrong(name, 'an enumerated string') : value;
  };
  /** The value of a word by `read`, which knows no value for words of another form. */
  const form = <Value>(name: string, want: string, read: (word: string) => Value | undefined) => {
    const value = word(name);
    return value === undefined ? value : (read(value) ?? wrong(name, want));
  };
  return {
    string: (name) => {
      const value = quoted(name);
      return value && checkText(line, value);
    },
    uri: () => {
      const value = quoted('URI');
      return value === undefined ? value : checkUri(line, value);
    },
    word,
    yes: (name) => form(name, 'YES or NO', (value) => value === 'YES' || (value === 'NO' ? false : undefined)) ?? false,
    integer: (name) => form(name, 'a decimal integer', integer),
    decimal: (name) => form(name, 'a decimal number', decimal),
    resolution: (name) =>
      form(name, 'a resolution', (value) => {
        const [width = Number.NaN, height = Number.NaN, ...more] = value.split(/x/i).map((side) => integer(side));
        return Math.max(width, height) < 2 ** 32 && !more.length ? [width, height] : undefined;
      }),
    required: (name, value) => value ?? fail(line, `${tag}: no ${name}`),
  };
}
