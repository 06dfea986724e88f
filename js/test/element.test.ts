import { afterEach, expect, it, vi } from 'vitest';
import { ShoalVideoElement } from '../src/element.js';
import '../src/shoal.js';

afterEach(() => document.body.replaceChildren());

function make(attributes: Record<string, string>): ShoalVideoElement {
  const element = document.createElement('shoal-video') as ShoalVideoElement;
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const ready = (element: HTMLElement) =>
  new Promise((resolve) => element.addEventListener('shoal', resolve, { once: true }));

it('mirrors the attributes of <video>', () => {
  const element = make({ controls: '', muted: '', poster: 'p.jpg', playsinline: '', loop: '' });
  expect(element).toBeInstanceOf(ShoalVideoElement);
  for (const name of ['controls', 'muted', 'poster', 'playsinline', 'loop']) {
    expect(element.video.hasAttribute(name)).toBe(true);
  }
  expect(element.video.muted).toBe(true);
  element.removeAttribute('muted');
  expect(element.video.muted).toBe(false);
  element.removeAttribute('controls');
  expect(element.video.hasAttribute('controls')).toBe(false);
});

it('plays its source, and the next one', async () => {
  const element = make({ src: 'http://example.test/a.mp4', p2p: 'off' });
  const first = ready(element);
  document.body.append(element);
  await first;
  expect(element.video.src).toBe('http://example.test/a.mp4');
  const before = element.shoal;
  const second = ready(element);
  element.src = 'http://example.test/b.mp4';
  await second;
  expect(element.video.src).toBe('http://example.test/b.mp4');
  expect(element.shoal).not.toBe(before);
});

it('plays in spite of a mistake in its attributes', async () => {
  const log = vi.spyOn(console, 'error').mockImplementation(() => {});
  const element = make({ src: 'http://example.test/a.mp4', tracker: 'https://not-a-socket.test' });
  const done = ready(element);
  document.body.append(element);
  await done;
  expect(log.mock.calls[0]?.[0]).toContain('`tracker`');
  expect(element.player?.mode).toBe('file');
  log.mockRestore();
});

it('stops when it is taken out of the page', async () => {
  const element = make({ src: 'http://example.test/a.mp4', p2p: 'off' });
  const done = ready(element);
  document.body.append(element);
  await done;
  element.remove();
  await vi.waitFor(() => expect(element.shoal).toBeUndefined());
  expect(element.video.hasAttribute('src')).toBe(false);
});
