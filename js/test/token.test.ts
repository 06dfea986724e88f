import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { TokenKeeper } from '../src/token.js';

const NOW = 1_700_000_000_000;

/** One that ends so many seconds from the test's start. */
function ending(seconds: number): string {
  const claims = btoa(JSON.stringify({ exp: NOW / 1000 + seconds, sub: '?>~' }));
  return `e30.${claims.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '')}.c2ln`;
}

/** A keeper of these tokens, which the page gives one after another, and what it hands on. */
function keeper(...tokens: string[]) {
  const ask = vi.fn(async () => tokens.shift() ?? Promise.reject(new Error('no more')));
  const taken: string[] = [];
  const failures: unknown[] = [];
  const made = new TokenKeeper(
    ask,
    (token) => taken.push(token),
    (error) => failures.push(error),
  );
  return { made, ask, taken, failures };
}

const refused = { state: 'lost', reason: 'authentication required: token-expired' };

beforeEach(() => {
  vi.useFakeTimers({ now: NOW });
});

afterEach(() => {
  vi.useRealTimers();
});

describe('TokenKeeper', () => {
  it('asks again a minute before a token ends', async () => {
    const [one, two] = [ending(3600), ending(7200)];
    const { made, ask, taken } = keeper(one, two);
    await made.first();
    await vi.advanceTimersByTimeAsync(3_539_000);
    expect(ask).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(1000);
    expect(taken).toEqual([one, two]);
    await vi.advanceTimersByTimeAsync(3_600_000);
    expect(ask).toHaveBeenCalledTimes(3);
    made.close();
  });

  it('asks for the last fifth of a short life', async () => {
    const { made, taken } = keeper(ending(10), ending(100));
    await made.first();
    await vi.advanceTimersByTimeAsync(7_999);
    expect(taken).toEqual([ending(10)]);
    await vi.advanceTimersByTimeAsync(1);
    expect(taken).toEqual([ending(10), ending(100)]);
    made.close();
  });

  it('waits longer than a timer can', async () => {
    const days = 24 * 3600;
    const { made, ask } = keeper(ending(30 * days), ending(60 * days));
    await made.first();
    await vi.advanceTimersByTimeAsync((30 * days - 61) * 1000);
    expect(ask).toHaveBeenCalledOnce();
    await vi.advanceTimersByTimeAsync(1000);
    expect(ask).toHaveBeenCalledTimes(2);
    made.close();
  });

  it('asks once for each refusal, and again only after a tracker took one', async () => {
    const { made, ask, taken } = keeper('opaque', 'second', 'third');
    await made.first();
    made.onTracker({ state: 'lost', reason: 'socket closed' });
    expect(ask).toHaveBeenCalledOnce();
    made.onTracker(refused);
    made.onTracker(refused);
    await vi.advanceTimersByTimeAsync(0);
    expect(taken).toEqual(['opaque', 'second']);
    made.onTracker(refused);
    await vi.advanceTimersByTimeAsync(0);
    expect(taken).toEqual(['opaque', 'second']);
    made.onTracker({ state: 'joined' });
    made.onTracker(refused);
    await vi.advanceTimersByTimeAsync(0);
    expect(taken).toEqual(['opaque', 'second', 'third']);
  });

  it('takes the same token for none, and tells of failures', async () => {
    const same = ending(10);
    const { made, ask, taken, failures } = keeper(same, same);
    await made.first();
    await vi.advanceTimersByTimeAsync(60_000);
    expect([ask.mock.calls.length, taken]).toEqual([2, [same]]);
    made.onTracker(refused);
    await vi.advanceTimersByTimeAsync(0);
    expect(failures).toEqual([new Error('no more')]);
  });

  it('asks nobody any more once it is closed', async () => {
    const { made, ask, taken } = keeper(ending(10), ending(20));
    await made.first();
    made.onTracker(refused);
    made.close();
    made.onTracker(refused);
    await vi.advanceTimersByTimeAsync(60_000);
    expect([ask.mock.calls.length, taken]).toEqual([2, [ending(10)]]);
  });

  it.each(['', 'a.b.c', `a.${btoa('null')}.c`, ending(-5)])(
    'does not renew what has no end to come: %s',
    async (token) => {
      const { made, ask } = keeper(token);
      await made.first();
      await vi.advanceTimersByTimeAsync(1_000_000);
      expect(ask).toHaveBeenCalledOnce();
    },
  );
});
