/** Loads the wasm peer once a page, and tells every engine when it dies. */

import { FallbackError, isTrap, messageOf } from './errors.js';
import type { PeerConstructor } from './wasm-api.js';
import { defaultWasmUrl } from './wasm-url.js';

/** Makes the constructor of peers available. Rejects with a {@link FallbackError}. */
export type PeerLoader = () => Promise<PeerConstructor>;

let loading: Promise<PeerConstructor> | undefined;
let trap: FallbackError | undefined;
const trapListeners = new Set<(error: FallbackError) => void>();

/** The {@link PeerLoader} of real pages. All engines of a page share one instance, and so its fate. */
export function loadPeer(): Promise<PeerConstructor> {
  if (trap) return Promise.reject(trap);
  loading ??= load().catch((error) => {
    loading = undefined;
    throw error;
  });
  return loading;
}

async function load(): Promise<PeerConstructor> {
  if (typeof WebAssembly !== 'object') {
    throw new FallbackError('wasm-missing', 'this browser has no WebAssembly');
  }
  const url = defaultWasmUrl();
  // Both downloads run at once: the code around the module and the module itself.
  const response = fetchWasm(url);
  response.catch(() => {});
  const glue = await import('shoal-wasm-glue').catch((error) => {
    throw new FallbackError('wasm-load', `the code around shoal.wasm did not load: ${messageOf(error)}`);
  });
  const checked = await response;
  try {
    await glue.default({ module_or_path: checked });
  } catch (error) {
    if (isTrap(error)) throw reportTrap(error);
    const refused =
      error instanceof WebAssembly.CompileError && /Content Security Policy|unsafe-eval/i.test(error.message);
    throw refused
      ? new FallbackError('wasm-refused', `the page's content security policy refuses wasm: ${error.message}`)
      : new FallbackError('wasm-load', `${url} cannot be instantiated: ${messageOf(error)}`);
  }
  return glue.Peer;
}

async function fetchWasm(url: string): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, { credentials: 'same-origin' });
  } catch (error) {
    throw new FallbackError('wasm-load', `${url} cannot be fetched: ${messageOf(error)}`);
  }
  if (!response.ok) throw new FallbackError('wasm-load', `${url} answers ${response.status}`);
  return response;
}

/**
 * Records that the instance died, and tells every engine. Its memory may be in any state, so it is never used
 * again on this page.
 */
export function reportTrap(error: unknown): FallbackError {
  if (!trap) {
    trap = new FallbackError('wasm-trap', `the wasm peer failed: ${messageOf(error)}`);
    for (const listener of [...trapListeners]) listener(trap);
  }
  return trap;
}

/**
 * Calls `listener` when the instance dies, also inside a callback of the browser (a data channel's message, a
 * timer), where no caller of ours sees the exception. Returns how to stop.
 */
export function onTrap(listener: (error: FallbackError) => void): () => void {
  if (trapListeners.size === 0 && typeof window !== 'undefined') {
    window.addEventListener('error', onWindowError);
    window.addEventListener('unhandledrejection', onUnhandledRejection);
  }
  trapListeners.add(listener);
  return () => {
    trapListeners.delete(listener);
    if (trapListeners.size === 0 && typeof window !== 'undefined') {
      window.removeEventListener('error', onWindowError);
      window.removeEventListener('unhandledrejection', onUnhandledRejection);
    }
  };
}

function onWindowError(event: ErrorEvent): void {
  if (isOurs(event.error)) reportTrap(event.error);
}

function onUnhandledRejection(event: PromiseRejectionEvent): void {
  if (isOurs(event.reason)) reportTrap(event.reason);
}

/** Other wasm on the page may trap as well: theirs names another module in its stack. */
function isOurs(error: unknown): boolean {
  if (!isTrap(error)) return false;
  const modules = (error as Error).stack?.match(/[^\s(@]+\.wasm(?=\b)/g);
  const url = defaultWasmUrl();
  return !modules || modules.some((module) => module === url || module.includes('wasm_peer'));
}
