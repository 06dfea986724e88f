/** Typed events: the `on` / `off` of every surface. */

/** A listener of one event. */
export type Listener<T> = (detail: T) => void;

/**
 * Keeps listeners and calls them. A listener that throws is reported to the page's error handler and never to
 * whoever emitted: an application's mistake must not stop the delivery of video.
 */
export class Emitter<Events extends object> {
  readonly #listeners = new Map<keyof Events, Set<Listener<never>>>();

  /** Calls `listener` on every `event` from now on. Adding one twice is adding it once. */
  on<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): this {
    let set = this.#listeners.get(event);
    if (!set) {
      set = new Set();
      this.#listeners.set(event, set);
    }
    set.add(listener);
    return this;
  }

  /** Removes a listener; unknown ones are ignored. */
  off<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>): this {
    this.#listeners.get(event)?.delete(listener);
    return this;
  }

  /** How many listeners an event has. */
  listenerCount(event: keyof Events): number {
    return this.#listeners.get(event)?.size ?? 0;
  }

  /** @internal */
  emit<Name extends keyof Events>(event: Name, detail: Events[Name]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      this.send(event, listener as Listener<Events[Name]>, detail);
    }
  }

  /** Calls one listener, if it still listens. @internal */
  send<Name extends keyof Events>(event: Name, listener: Listener<Events[Name]>, detail: Events[Name]): void {
    if (!this.#listeners.get(event)?.has(listener)) return;
    try {
      listener(detail);
    } catch (error) {
      reportListenerError(error);
    }
  }

  /** @internal */
  removeAllListeners(): void {
    this.#listeners.clear();
  }
}

function reportListenerError(error: unknown): void {
  if (typeof globalThis.reportError === 'function') globalThis.reportError(error);
  else console.error(error);
}
