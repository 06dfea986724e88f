/** Every option of Shoal: what it is, its unit, its default, and why one would change it. */

import { nearestName } from './spelling.js';

/** On, off, or decided from the viewer's link and battery. */
export type Switch = boolean | 'on' | 'off' | 'auto';

/** The options of a site. All are optional. */
export interface ShoalConfig {
  /**
   * Tracker URLs (`ws:` or `wss:`): one, a list tried in order, or tiers (a list of lists; within a tier the order
   * does not matter). Default: the trackers that `shoal.json` names. Set it when the player's operator and the
   * content's publisher are not the same.
   */
  tracker?: string | string[] | string[][];
  /**
   * URL of `shoal.json`, absolute or relative to the page. Default: `shoal.json` beside the playlist. Set it when
   * the media's folder cannot be written to.
   */
  manifest?: string;
  /**
   * STUN and TURN servers, in the form of `RTCConfiguration.iceServers`. Default: none, so that no third party is
   * contacted unasked. Most viewers behind different NATs need at least one STUN server to reach each other.
   */
  iceServers?: RTCIceServer[];
  /**
   * Peer-to-peer at all. `"auto"` is off on metered or data-saver links and when the battery is below 20 % and not
   * charging. `false` or `"off"` loads no wasm. Default: `"auto"`. Set it to `"on"` where the links are known.
   */
  p2p?: Switch;
  /**
   * Giving to other viewers. `"auto"` is off in the same cases as for {@link p2p}. Default: `"auto"`. Set it to
   * `"off"` for viewers who pay for what they send.
   */
  upload?: Switch;
  /** Ceiling of the upload in kilobits per second; 0 means none. Default: 0. Set it to leave room for other uses. */
  maxUploadKbps?: number;
  /**
   * How many peers to be connected with at most, 1 to 256. Default: 16. More connections find rare segments sooner
   * and cost more memory and signalling.
   */
  maxPeers?: number;
  /**
   * Bytes of verified media kept to serve others, at least 1 MiB. Default: 134217728 (128 MiB). Lower it on
   * devices with little memory; raise it for high bitrates, so that late joiners still find what they need.
   */
  cacheBytes?: number;
  /**
   * A segment that the player needs within so many seconds may come from the origin; what is needed later is asked
   * of peers first. Default: 6. Lower saves more of the origin's traffic, higher is safer on unsteady links.
   */
  urgentWindowSec?: number;
  /**
   * Admits to a closed swarm: an async function that fetches a token for the peer with this ID (64 hex digits; a new one
   * with every source), to which trackers bind it. It is asked again a minute before a token ends (its claim `exp`), and
   * when a tracker refuses one. Or a string, for trackers that bind tokens to nobody. Default: none. Set it when the
   * tracker asks for one.
   */
  token?: string | ((peerId: string) => string | Promise<string>);
  /**
   * Connects through TURN servers only, so that viewers never see each other's addresses. Default: `false`. Needs
   * a TURN server in {@link iceServers}; its traffic is the price.
   */
  relayOnly?: boolean;
  /**
   * `"required"`: only what `shoal.json` proves is taken from peers. `"none"`: content without a manifest is shared
   * unproven, which lets any peer put any bytes into it. Default: `"required"`.
   */
  integrity?: 'required' | 'none';
  /**
   * When to contact the tracker: `"play"`, once playback is wanted, or `"load"`, as soon as the source is set.
   * Default: `"play"`, since some systems ask the viewer's permission. `"load"` finds peers a little sooner.
   */
  startOn?: 'play' | 'load';
  /** Writes what Shoal does to the console. Default: `false`. */
  debug?: boolean;
}

/** A configuration with every default filled in. */
export interface ResolvedConfig {
  tracker: string[][];
  manifest: string | undefined;
  iceServers: RTCIceServer[];
  p2p: 'on' | 'off' | 'auto';
  upload: 'on' | 'off' | 'auto';
  maxUploadKbps: number;
  maxPeers: number;
  cacheBytes: number;
  urgentWindowSec: number;
  token: string | ((peerId: string) => string | Promise<string>) | undefined;
  relayOnly: boolean;
  integrity: 'required' | 'none';
  startOn: 'play' | 'load';
  debug: boolean;
}

/** The configuration cannot be used; the message names the option and says what it should be. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
}

interface Option {
  /** Ends the sentence "`name` must be …". */
  expected: string;
  accepts(value: unknown): boolean;
  /** May `configure()` change it on a running engine? */
  live: boolean;
}

const switchOption: Option = {
  expected: 'true, false, "on", "off" or "auto"',
  accepts: (value) => typeof value === 'boolean' || value === 'on' || value === 'off' || value === 'auto',
  live: true,
};

const booleanOption = (live: boolean): Option => ({
  expected: 'true or false',
  accepts: (value) => typeof value === 'boolean',
  live,
});

const numberOption = (expected: string, least: number, most: number, whole: boolean): Option => ({
  expected,
  accepts: (value) =>
    typeof value === 'number' && value >= least && value <= most && (!whole || Number.isInteger(value)),
  live: true,
});

const wordOption = (...words: string[]): Option => ({
  expected: words.map((word) => JSON.stringify(word)).join(' or '),
  accepts: (value) => words.includes(value as string),
  live: false,
});

const OPTIONS: Record<keyof ShoalConfig, Option> = {
  tracker: {
    expected: 'a ws: or wss: URL, a list of them, or a list of lists',
    accepts: (value) =>
      isTrackerUrl(value) ||
      (Array.isArray(value) &&
        (value.every(isTrackerUrl) || value.every((tier) => Array.isArray(tier) && tier.every(isTrackerUrl)))),
    live: false,
  },
  manifest: {
    expected: 'a URL (a string that is not empty)',
    accepts: (value) => typeof value === 'string' && value !== '',
    live: false,
  },
  iceServers: {
    expected: 'a list of { urls, username?, credential? }',
    accepts: (value) => Array.isArray(value) && value.every(isIceServer),
    live: false,
  },
  p2p: switchOption,
  upload: switchOption,
  maxUploadKbps: numberOption('a number of kilobits per second, 0 for no ceiling', 0, 1e9, false),
  maxPeers: numberOption('a whole number from 1 to 256', 1, 256, true),
  cacheBytes: numberOption('a whole number of bytes, at least 1048576', 1 << 20, 2 ** 32 - 1, true),
  urgentWindowSec: numberOption('a number of seconds from 0 to 60', 0, 60, false),
  token: {
    expected: 'a string, or a function that returns one',
    accepts: (value) => (typeof value === 'string' && value !== '') || typeof value === 'function',
    live: false,
  },
  relayOnly: booleanOption(false),
  integrity: wordOption('required', 'none'),
  startOn: wordOption('play', 'load'),
  debug: booleanOption(true),
};

/** The names of all options. */
export const OPTION_NAMES = Object.keys(OPTIONS) as (keyof ShoalConfig)[];

/**
 * Checks a site's options and fills in the defaults. `undefined` stands for the default.
 *
 * @throws {@link ConfigError} for an unknown option or a value of the wrong form
 */
export function resolveConfig(config: ShoalConfig = {}): ResolvedConfig {
  check(config);
  const tracker = config.tracker ?? [];
  return {
    tracker: (Array.isArray(tracker) ? tracker : [tracker]).map((tier) => (Array.isArray(tier) ? tier : [tier])),
    manifest: config.manifest,
    iceServers: config.iceServers ?? [],
    p2p: switchWord(config.p2p),
    upload: switchWord(config.upload),
    maxUploadKbps: config.maxUploadKbps ?? 0,
    maxPeers: config.maxPeers ?? 16,
    cacheBytes: config.cacheBytes ?? 128 * 1024 * 1024,
    urgentWindowSec: config.urgentWindowSec ?? 6,
    token: config.token,
    relayOnly: config.relayOnly ?? false,
    integrity: config.integrity ?? 'required',
    startOn: config.startOn ?? 'play',
    debug: config.debug ?? false,
  };
}

/**
 * Applies `partial` to the configuration of a running engine.
 *
 * @throws {@link ConfigError} as {@link resolveConfig}, and for options that are fixed once the engine is made
 */
export function reconfigure(current: ResolvedConfig, partial: ShoalConfig): ResolvedConfig {
  check(partial);
  const given = Object.fromEntries(Object.entries(partial).filter(([, value]) => value !== undefined)) as ShoalConfig;
  for (const name of Object.keys(given) as (keyof ShoalConfig)[]) {
    if (!OPTIONS[name].live) throw new ConfigError(`option \`${name}\` cannot be changed on a running engine`);
  }
  return resolveConfig({ ...withoutUndefined(current), ...given });
}

function check(config: ShoalConfig): void {
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw new ConfigError('the configuration must be an object');
  }
  for (const [name, value] of Object.entries(config)) {
    if (!Object.hasOwn(OPTIONS, name)) throw unknownOption(name);
    const option = OPTIONS[name as keyof ShoalConfig];
    if (value !== undefined && !option.accepts(value)) {
      throw new ConfigError(`option \`${name}\` must be ${option.expected}, not ${show(value)}`);
    }
  }
}

function unknownOption(name: string): ConfigError {
  const near = nearestName(name, OPTION_NAMES);
  return new ConfigError(`unknown option \`${name}\`${near ? `: did you mean \`${near}\`?` : ''}`);
}

function switchWord(value: Switch | undefined): 'on' | 'off' | 'auto' {
  if (value === undefined) return 'auto';
  if (typeof value === 'boolean') return value ? 'on' : 'off';
  return value;
}

function withoutUndefined(config: ResolvedConfig): ShoalConfig {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== undefined));
}

function isTrackerUrl(value: unknown): boolean {
  if (typeof value !== 'string' || !URL.canParse(value)) return false;
  return /^wss?:$/.test(new URL(value).protocol);
}

function isIceServer(value: unknown): boolean {
  const urls = (value as RTCIceServer | null)?.urls;
  return typeof urls === 'string' || (Array.isArray(urls) && urls.every((url) => typeof url === 'string'));
}

function show(value: unknown): string {
  const text = typeof value === 'function' ? 'a function' : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
