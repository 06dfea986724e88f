/** The page: reads its options, starts a session, shows what happens. */

import type HlsType from 'hls.js';
import type { Shoal, ShoalPlayer } from 'shoal';
import { Dashboard } from './dashboard';
import { element } from './dom';
import { EventLog } from './event-log';
import { type Mode, readOptions, writeOptions } from './options';
import { type Session, startSession } from './session';
import { type SnippetName, snippet } from './snippets';

declare global {
  interface Window {
    /** For tests and for the console. */
    demo: {
      shoal: Shoal | undefined;
      video: HTMLVideoElement;
      mode: Mode;
      player?: ShoalPlayer | undefined;
      hls?: HlsType | undefined;
    };
  }
}

const REFRESH_MS = 500;

const options = readOptions();
const log = new EventLog(element('log'));
const dashboard = new Dashboard();
const form = element('controls', HTMLFormElement);
const renditions = element('rendition', HTMLSelectElement);
const source = element('src', HTMLInputElement);
let video = element('video', HTMLVideoElement);
let session: Session | undefined;
let shown: SnippetName = 'script';
let starting: Promise<void> = Promise.resolve();

window.demo = { shoal: undefined, video, mode: options.mode };

/** Starts what `options` say, after whatever is starting now. */
function restart(): void {
  writeOptions(options);
  showOptions();
  starting = starting.then(async () => {
    session?.destroy();
    session = undefined;
    video = freshVideo(video);
    window.demo = { shoal: undefined, video, mode: options.mode };
    dashboard.reset();
    log.add(
      `${options.mode === 'hls' ? 'hls.js' : 'Shoal + MSE'}, ${options.p2p ? 'P2P' : 'plain HTTP'}: ${options.src}`,
    );
    try {
      session = await startSession(video, options);
    } catch (error) {
      dashboard.notice(String(error));
      log.add(String(error), 'bad');
      return;
    }
    window.demo = { shoal: session.shoal, video, mode: options.mode, player: session.player, hls: session.hls };
    log.watch(session.shoal);
    session.shoal.on('fallback', ({ reason, message }) =>
      dashboard.notice(`Plain HTTP, since P2P is not possible here (${reason}): ${message}`),
    );
    session.shoal.on('error', ({ message, fatal }) => {
      if (fatal) dashboard.notice(message);
    });
    session.shoal.on('tracker', ({ state }) => {
      if (state === 'joined') element('notice').hidden = true;
      showSnippet();
    });
    refresh();
    showSnippet();
  });
}

/** A new element for every session: nothing of the last player is left in it. */
function freshVideo(old: HTMLVideoElement): HTMLVideoElement {
  const fresh = old.cloneNode() as HTMLVideoElement;
  fresh.removeAttribute('src');
  fresh.muted = old.muted;
  fresh.volume = old.volume;
  old.replaceWith(fresh);
  return fresh;
}

function refresh(): void {
  if (!session) return;
  dashboard.update(session, session.shoal.stats());
  showRenditions(session);
}

function showOptions(): void {
  element(options.mode === 'hls' ? 'mode-hls' : 'mode-native', HTMLInputElement).checked = true;
  element(options.p2p ? 'p2p-on' : 'p2p-off', HTMLInputElement).checked = true;
  source.value = options.src;
}

function showRenditions(current: Session): void {
  const choices = current.renditions();
  element('rendition-field').hidden = choices.length < 2;
  const signature = choices.map(({ label }) => label).join();
  if (renditions.dataset.signature !== signature) {
    renditions.dataset.signature = signature;
    renditions.replaceChildren(
      new Option('automatic', '-1'),
      ...choices.map(({ index, label }) => new Option(label, String(index))),
    );
  }
  const loaded = choices.find(({ index }) => index === current.current());
  const automatic = renditions.options[0];
  const text = loaded ? `automatic (${loaded.label})` : 'automatic';
  if (automatic && automatic.text !== text) automatic.text = text;
}

function showSnippet(): void {
  const tracker = session?.shoal.stats().tracker?.url ?? options.tracker ?? 'wss://tracker.example/ppsp';
  element('snippet').textContent = snippet(shown, options.src, tracker);
  for (const button of document.querySelectorAll<HTMLElement>('[data-snippet]')) {
    button.setAttribute('aria-pressed', String(button.dataset.snippet === shown));
  }
}

form.addEventListener('change', (event) => {
  const input = event.target as HTMLInputElement;
  if (input.name === 'mode') options.mode = input.value as Mode;
  else if (input.name === 'p2p') options.p2p = input.value === '1';
  else return;
  restart();
});

form.addEventListener('submit', (event) => {
  event.preventDefault();
  options.src = source.value.trim();
  restart();
});

renditions.addEventListener('change', () => session?.select(Number(renditions.value)));

for (const button of document.querySelectorAll<HTMLElement>('[data-snippet]')) {
  button.addEventListener('click', () => {
    shown = button.dataset.snippet as SnippetName;
    showSnippet();
  });
}

element('copy').addEventListener('click', async () => {
  const button = element('copy');
  try {
    await navigator.clipboard.writeText(element('snippet').textContent ?? '');
    button.textContent = 'Copied';
  } catch {
    // Without permission the text is at least selected.
    getSelection()?.selectAllChildren(element('snippet'));
    button.textContent = 'Selected';
  }
  setTimeout(() => {
    button.textContent = 'Copy';
  }, 1500);
});

setInterval(refresh, REFRESH_MS);
restart();
showSnippet();
