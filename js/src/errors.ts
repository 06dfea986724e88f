/** Why P2P is off, as a word for programs and a sentence for people. */

/** A failure with the reason that the `fallback` event carries. */
export class FallbackError extends Error {
  /** @param reason  a word such as `"wasm-refused"`; see {@link FallbackDetail} */
  constructor(
    readonly reason: string,
    message: string,
  ) {
    super(message);
    this.name = reason;
  }
}

/** Says whether the wasm instance died: nothing of it can be used any more. */
export function isTrap(error: unknown): boolean {
  return typeof WebAssembly === 'object' && error instanceof WebAssembly.RuntimeError;
}

/** The words of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error);
}

/** The fallback reason of whatever was thrown: the wasm peer puts it in the error's `name`. */
export function reasonOf(error: unknown, otherwise: string): string {
  if (isTrap(error)) return 'wasm-trap';
  const name = error instanceof Error ? error.name : '';
  return /^[a-z]+(-[a-z0-9]+)+$/.test(name) ? name : otherwise;
}
