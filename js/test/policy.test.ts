import { expect, it, vi } from 'vitest';
import { LinkPolicy } from '../src/policy.js';

const target = <Members extends object>(members: Members) => Object.assign(new EventTarget(), members);

it('allows what the browser tells nothing about', () => {
  const policy = new LinkPolicy(() => {}, {});
  expect(policy.resolve('auto')).toBe(true);
  expect(policy.resolve('off')).toBe(false);
});

it.each([{ saveData: true }, { type: 'cellular' }])('is off on %j, unless asked for', (link) => {
  const policy = new LinkPolicy(() => {}, { connection: target(link) });
  expect(policy.resolve('auto')).toBe(false);
  expect(policy.resolve('on')).toBe(true);
});

it('follows the link', () => {
  const connection = target({ saveData: false, type: 'wifi' });
  const changed = vi.fn();
  const policy = new LinkPolicy(changed, { connection });
  connection.dispatchEvent(new Event('change'));
  expect(changed).not.toHaveBeenCalled();
  connection.type = 'cellular';
  connection.dispatchEvent(new Event('change'));
  expect(changed).toHaveBeenCalledOnce();
  expect(policy.allows).toBe(false);
  policy.close();
  connection.type = 'wifi';
  connection.dispatchEvent(new Event('change'));
  expect(changed).toHaveBeenCalledOnce();
});

it.each([
  [0.19, false, false],
  [0.2, false, true],
  [0.05, true, true],
])('with the battery at %d, charging %s: %s', async (level, charging, allowed) => {
  const battery = target({ level, charging });
  const policy = new LinkPolicy(() => {}, { getBattery: () => Promise.resolve(battery) });
  await Promise.resolve();
  expect(policy.allows).toBe(allowed);
});

it('does without a battery that is refused', async () => {
  const policy = new LinkPolicy(() => {}, { getBattery: () => Promise.reject(new Error('refused')) });
  await Promise.resolve();
  expect(policy.allows).toBe(true);
});
