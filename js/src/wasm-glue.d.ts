/**
 * The code that wasm-bindgen generates into `src/wasm/wasm_peer.js`. The build maps this name to that file; the
 * declaration is written by hand so that type checking needs no built wasm.
 */
declare module 'shoal-wasm-glue' {
  /** Instantiates the module. A second call returns the first one's instance. */
  export default function init(options: {
    module_or_path: Response | Promise<Response> | WebAssembly.Module;
  }): Promise<unknown>;
  /** See `Peer` in `wasm-api.ts`. */
  export const Peer: import('./wasm-api.js').PeerConstructor;
}
