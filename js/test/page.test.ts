import { describe, expect, it, vi } from 'vitest';
import { createPage } from '../src/page.js';

/** Memory of a peer that moves as soon as it may. */
const view = (bytes: Uint8Array): [Uint8Array<ArrayBuffer>, () => void] => {
  const moved = new Uint8Array(bytes);
  return [moved, () => moved.fill(0)];
};

const MESSAGE = new TextEncoder().encode('message');

describe('createPage', () => {
  it('signs so that it verifies, although the memory moves meanwhile', async () => {
    const page = createPage(() => ({}));
    const key = await page.makeKey();
    expect(key).toHaveLength(64);
    const [message, move] = view(MESSAGE);
    const signing = page.sign(message);
    move();
    const signature = await signing;
    expect(signature).toHaveLength(64);
    const check = async (number: number, ...arrays: Uint8Array[]) => {
      const views = arrays.map(view);
      const [by, over, what] = views.map(([bytes]) => bytes) as [never, never, never];
      const verdict = page.verify(number, by, over, what);
      for (const [, move] of views) move();
      return verdict;
    };
    expect(await check(13, key, signature, MESSAGE)).toBe(true);
    expect(await check(13, key, signature, MESSAGE.subarray(1))).toBe(false);
    expect(await check(13, key.slice(1), signature, MESSAGE)).toBe(false);
    expect(await check(13, key, signature.slice(1), MESSAGE)).toBe(false);
    expect(await check(15, key, signature, MESSAGE)).toBe(false);
  });

  it('verifies Ed25519', async () => {
    const pair = (await crypto.subtle.generateKey('Ed25519', false, ['sign', 'verify'])) as CryptoKeyPair;
    const key = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
    const signature = new Uint8Array(await crypto.subtle.sign('Ed25519', pair.privateKey, MESSAGE));
    const page = createPage(() => ({}));
    expect(await page.verify(15, key, signature, MESSAGE)).toBe(true);
    expect(await page.verify(15, key, signature, MESSAGE.subarray(1))).toBe(false);
  });

  it('says that WebCrypto is missing', async () => {
    vi.stubGlobal('crypto', { getRandomValues: crypto.getRandomValues.bind(crypto) });
    const page = createPage(() => ({}));
    await expect(page.makeKey()).rejects.toMatchObject({ name: 'crypto-missing' });
    expect(await page.verify(13, new Uint8Array(64), new Uint8Array(64), new Uint8Array())).toBe(false);
    expect(page.random()).toHaveLength(16);
    vi.unstubAllGlobals();
  });
});
