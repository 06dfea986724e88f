/** Keeps the playlist of a live track up to date, and the times of its segments right. */

import { messageOf } from '../errors.js';
import type { FeederError } from './error.js';
import { type Host, now, sleep } from './host.js';
import { scheduleRetry } from './live.js';
import { dueAt, type Rendition, reloadRendition } from './rendition.js';

/** Milliseconds after which it is looked again if there is something to load: the rendition may have changed. */
const LOOK = 1000;
/** Milliseconds that loading a playlist may take: three target durations within these bounds. */
const SHORTEST_LIMIT = 5000;
const LONGEST_LIMIT = 20_000;

/** Loads the playlist of the rendition that is being loaded again and again, while the feeder lives. */
export function follow(host: Host, rendition: () => Rendition): void {
  host.spawn(async () => {
    while (host.alive) {
      const wait = dueAt(rendition()) - now();
      if (wait > 0) await sleep(Math.min(wait, LOOK), host.signal);
      else await reload(host, rendition());
    }
  });
}

async function reload(host: Host, rendition: Rendition): Promise<void> {
  const abort = new AbortController();
  const end = () => abort.abort();
  const target = rendition.loaded?.media.targetDuration ?? 0;
  const limit = setTimeout(end, Math.min(Math.max(3000 * target, SHORTEST_LIMIT), LONGEST_LIMIT));
  host.signal.addEventListener('abort', end);
  try {
    await reloadRendition(host, rendition, abort.signal);
    host.wake();
  } catch (error) {
    const news = !rendition.schedule.failures;
    rendition.schedule = scheduleRetry(now(), rendition.schedule);
    const { kind } = error as FeederError;
    const fatal = kind === 'unsupported';
    // One that was too slow is tried again in silence.
    if (kind !== 'detached' && (news || fatal)) host.report(messageOf(error), fatal);
  } finally {
    clearTimeout(limit);
    host.signal.removeEventListener('abort', end);
  }
}
