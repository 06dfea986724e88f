import { describe, expect, it } from 'vitest';
import { ConfigError, OPTION_NAMES, reconfigure, resolveConfig, type ShoalConfig } from '../src/config.js';
import { configFromAttributes } from '../src/element.js';

const wrong = (config: object) => () => resolveConfig(config as ShoalConfig);

describe('resolveConfig', () => {
  it('fills in every default', () => {
    expect(resolveConfig()).toEqual({
      tracker: [],
      manifest: undefined,
      iceServers: [],
      p2p: 'auto',
      upload: 'auto',
      maxUploadKbps: 0,
      maxPeers: 16,
      cacheBytes: 134217728,
      urgentWindowSec: 6,
      token: undefined,
      relayOnly: false,
      integrity: 'required',
      startOn: 'play',
      debug: false,
    });
  });

  it.each([
    ['wss://a.test/ppsp', [['wss://a.test/ppsp']]],
    [
      ['wss://a.test', 'ws://b.test'],
      [['wss://a.test'], ['ws://b.test']],
    ],
    [
      [['wss://a.test', 'wss://b.test'], ['wss://c.test']],
      [['wss://a.test', 'wss://b.test'], ['wss://c.test']],
    ],
  ])('takes trackers as %j', (tracker, tiers) => {
    expect(resolveConfig({ tracker } as ShoalConfig).tracker).toEqual(tiers);
  });

  it('names an unknown option, and the right spelling when it is near', () => {
    expect(wrong({ trackers: 'wss://a.test' })).toThrow('unknown option `trackers`: did you mean `tracker`?');
    expect(wrong({ max_upload_kbps: 1 })).toThrow('did you mean `maxUploadKbps`?');
    expect(wrong({ iceserver: [] })).toThrow('did you mean `iceServers`?');
    expect(wrong({ wibblywobbly: 1 })).toThrow(/^unknown option `wibblywobbly`$/);
    expect(wrong({ __proto__: null, constructor: 1 })).toThrow('unknown option `constructor`');
  });

  it.each([
    [{ tracker: 'https://a.test' }, '`tracker` must be a ws: or wss: URL'],
    [{ tracker: [['wss://a.test'], 'wss://b.test'] }, '`tracker`'],
    [{ manifest: '' }, '`manifest`'],
    [{ iceServers: [{ url: 'stun:x' }] }, '`iceServers`'],
    [{ p2p: 'yes' }, '`p2p` must be true, false, "on", "off" or "auto", not "yes"'],
    [{ maxPeers: 0 }, '`maxPeers` must be a whole number from 1 to 256, not 0'],
    [{ maxPeers: 2.5 }, '`maxPeers`'],
    [{ maxPeers: '16' }, '`maxPeers`'],
    [{ cacheBytes: 1000 }, '`cacheBytes`'],
    [{ maxUploadKbps: Number.NaN }, '`maxUploadKbps`'],
    [{ token: 7 }, '`token`'],
    [{ integrity: 'maybe' }, '`integrity` must be "required" or "none"'],
    [{ debug: 1 }, '`debug` must be true or false'],
  ])('refuses %j', (config, message) => {
    expect(wrong(config)).toThrow(ConfigError);
    expect(wrong(config)).toThrow(message);
  });

  it('refuses what is no object', () => {
    expect(() => resolveConfig([] as never)).toThrow('must be an object');
    expect(() => resolveConfig('wss://a.test' as never)).toThrow('must be an object');
  });
});

describe('reconfigure', () => {
  it('changes live options and keeps the others', () => {
    const before = resolveConfig({ tracker: 'wss://a.test', maxPeers: 4 });
    const after = reconfigure(before, { upload: false, maxPeers: undefined } as unknown as ShoalConfig);
    expect(after).toEqual({ ...before, upload: 'off' });
  });

  it('refuses what is fixed', () => {
    expect(() => reconfigure(resolveConfig(), { tracker: 'wss://a.test' })).toThrow('cannot be changed');
  });
});

describe('configFromAttributes', () => {
  const read = (attributes: Record<string, string>) => configFromAttributes((name) => attributes[name] ?? null);

  it('reads every kind of option', () => {
    expect(
      read({
        tracker: ' wss://a.test  wss://b.test ',
        'max-upload-kbps': '500',
        p2p: 'auto',
        upload: 'false',
        debug: '',
        'ice-servers': '[{"urls":"stun:a.test"}]',
        token: '123',
      }),
    ).toEqual({
      tracker: ['wss://a.test', 'wss://b.test'],
      maxUploadKbps: 500,
      p2p: 'auto',
      upload: false,
      debug: true,
      iceServers: [{ urls: 'stun:a.test' }],
      token: '123',
    });
  });

  it('knows every option by its name with dashes', () => {
    const asked: string[] = [];
    configFromAttributes((name) => {
      asked.push(name);
      return null;
    });
    expect(asked).toHaveLength(OPTION_NAMES.length);
    for (const name of asked) expect(name).toMatch(/^[a-z0-9]+(-[a-z0-9]+)*$/);
  });
});
