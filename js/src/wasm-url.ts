/** Where `shoal.wasm` is: beside the module that asks, in a form that bundlers follow. */
export function defaultWasmUrl(): string {
  return new URL('./shoal.wasm', import.meta.url).href;
}
