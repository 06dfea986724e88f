/** What the wasm peer has the page do for it: transfers over HTTP, and WebCrypto. */

import { FallbackError } from './errors.js';
import { fetchBytes, stream } from './http.js';
import type { Experience, Page } from './wasm-api.js';

/** DNSSEC algorithm 13. */
const ECDSA: EcKeyGenParams & EcdsaParams = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
/** DNSSEC algorithm 15. */
const ED25519: Algorithm = { name: 'Ed25519' };

/** First byte of an uncompressed point in WebCrypto's "raw" format; keys elsewhere leave it out. */
const UNCOMPRESSED = 4;

/** Candidate types by their name in ICE. */
const CANDIDATES: Record<string, number> = { host: 1, srflx: 2, prflx: 2, relay: 3 };

/** The page, for one peer, which does not get its key before `onKey` has had it. */
export function createPage(experience: () => Experience, onKey?: (key: Uint8Array) => Promise<void>): Page {
  let own: CryptoKey;
  return {
    fetch: (url, start, end, limit, onData) => {
      const abort = new AbortController();
      const range: [number, number] | undefined = start < 0 ? undefined : [start, end];
      return {
        done: onData
          ? stream(url, range, abort.signal, onData).then(({ rangeIgnored }) => rangeIgnored)
          : fetchBytes(url, range, limit, abort.signal).then(({ bytes }) => bytes),
        abort: () => abort.abort(),
      };
    },
    makeKey: async () => {
      const { subtle } = crypto;
      if (!subtle) throw new FallbackError('crypto-missing', 'WebCrypto needs a secure context');
      const pair = await subtle.generateKey(ECDSA, false, ['sign', 'verify']);
      own = pair.privateKey;
      const key = new Uint8Array(await subtle.exportKey('raw', pair.publicKey)).subarray(1);
      await onKey?.(key);
      return key;
    },
    sign: async (message) =>
      // The peer's memory may move while this waits: WebCrypto has copied the message by then.
      new Uint8Array(await crypto.subtle.sign(ECDSA, own, message)),
    verify: async (number, key, signature, message) => {
      // As above, but for these WebCrypto is called later.
      const [signed, by] = [message.slice(), signature.slice()];
      const [algorithm, raw] = number === 13 ? [ECDSA, Uint8Array.of(UNCOMPRESSED, ...key)] : [ED25519, key];
      try {
        const { subtle } = crypto;
        return await subtle.verify(
          algorithm,
          await subtle.importKey('raw', raw, algorithm, false, ['verify']),
          by,
          signed,
        );
      } catch {
        return false;
      }
    },
    experience,
    // Firefox does not say.
    candidateType: ({ sctp }) =>
      CANDIDATES[sctp?.transport.iceTransport.getSelectedCandidatePair?.()?.local.type ?? ''] ?? 0,
    random: () => crypto.getRandomValues(new Uint8Array(16)),
  };
}
