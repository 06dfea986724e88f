/** Where `shoal.wasm` is for the script tag's build: beside the script. Read while the script runs. */
const script = typeof document === 'undefined' ? null : (document.currentScript as HTMLScriptElement | null);
const base = script?.src || (typeof location === 'undefined' ? 'http://localhost/' : location.href);

/** See `wasm-url.ts`, which this file stands in for. */
export function defaultWasmUrl(): string {
  return new URL('shoal.wasm', base).href;
}
