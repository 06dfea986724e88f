/** Tokens of closed swarms from the page's function: asked for again before one ends, or when a tracker refuses it. */

/** So long (milliseconds) before its end a token is renewed, or for the last fifth of a shorter life. */
const MARGIN = 60_000;
/** Timers that are longer fire at once. */
const LONGEST = 2 ** 31 - 1;

/** The page's function: a token that admits the peer with this ID (64 hex digits). */
type Ask = (peerId: string) => string | Promise<string>;

/**
 * Asks for a token of the peer with this public key (P-256, x‖y), and goes on to do so. `onToken` gets every token,
 * `onFailure` what `ask` throws later.
 *
 * @throws what `ask` throws at first
 */
export async function keepToken(
  key: Uint8Array,
  ask: Ask,
  onToken: (token: string) => void,
  onFailure: (error: unknown) => void,
): Promise<TokenKeeper> {
  // The key blob begins with the algorithm's DNSSEC number.
  const digest = await crypto.subtle.digest('SHA-256', Uint8Array.of(13, ...key));
  const id = [...new Uint8Array(digest)].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  const keeper = new TokenKeeper(() => ask(id), onToken, onFailure);
  await keeper.first();
  return keeper;
}

/** Asks for tokens, one at a time, as long as they are needed. */
export class TokenKeeper {
  #token: string | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #asking = false;
  #closed = false;
  /** May a refusal be answered with another token? Once: what is refused then as well is given up. */
  #spare = true;
  readonly #ask: () => string | Promise<string>;
  readonly #onToken: (token: string) => void;
  readonly #onFailure: (error: unknown) => void;

  constructor(
    ask: () => string | Promise<string>,
    onToken: (token: string) => void,
    onFailure: (error: unknown) => void,
  ) {
    this.#ask = ask;
    this.#onToken = onToken;
    this.#onFailure = onFailure;
  }

  /** Asks for the one to begin with. */
  async first(): Promise<void> {
    this.#take(await this.#ask());
  }

  /** A tracker was joined, or lost for a reason. */
  onTracker({ state, reason }: { state: string; reason?: string }): void {
    if (state === 'joined') {
      this.#spare = true;
    } else if (this.#spare && reason?.includes('token-')) {
      this.#spare = false;
      void this.#renew();
    }
  }

  /** No more tokens are needed. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  async #renew(): Promise<void> {
    if (this.#asking || this.#closed) return;
    this.#asking = true;
    try {
      const token = await this.#ask();
      // The same again is no news, and asking once more would bring it again.
      if (token !== this.#token && !this.#closed) {
        this.#take(token);
      }
    } catch (error) {
      if (!this.#closed) this.#onFailure(error);
    } finally {
      this.#asking = false;
    }
  }

  #take(token: string): void {
    this.#token = token;
    this.#onToken(token);
    this.#wait(endOf(token));
  }

  /** By a clock that is wrong it may have ended: the tracker will say so when it has. */
  #wait(end: number): void {
    clearTimeout(this.#timer);
    const left = end - Date.now();
    if (this.#closed || !(left > 0)) return;
    const delay = left - Math.min(MARGIN, left / 5);
    this.#timer = setTimeout(() => (delay > LONGEST ? this.#wait(end) : this.#renew()), Math.min(delay, LONGEST));
  }
}

/** When it ends (Unix milliseconds), by its claim `exp`; NaN where it says nothing that can be read. */
function endOf(token: string): number {
  try {
    const claims = token.split('.')[1] ?? '';
    return JSON.parse(atob(claims.replaceAll('-', '+').replaceAll('_', '/'))).exp * 1000;
  } catch {
    return Number.NaN;
  }
}
