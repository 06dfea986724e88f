/**
 * The script tag's build: defines `<shoal-video>`, upgrades hls.js on the page, and offers `window.Shoal`. Options
 * are `data-` attributes of the tag, for example `data-tracker` or `data-max-upload-kbps`.
 */

import { resolveConfig, type ShoalConfig } from './config.js';
import { configFromAttributes, defineShoalVideo, ShoalVideoElement, setElementDefaults } from './element.js';
import { Shoal } from './engine.js';
import { messageOf } from './errors.js';
import { withShoal } from './hls.js';
import { ShoalPlayer } from './player.js';

type HlsClass = Parameters<typeof withShoal>[0];
const page = window as unknown as { Hls?: HlsClass; Shoal: object };

const config = readConfig(document.currentScript);
setElementDefaults(config);
defineShoalVideo();
upgradeHls();
// hls.js may come later in the page.
if (document.readyState === 'loading') document.addEventListener('DOMContentLoaded', upgradeHls, { once: true });

page.Shoal = { Shoal, ShoalPlayer, ShoalVideoElement, withShoal, config };

function upgradeHls(): void {
  if (typeof page.Hls === 'function') page.Hls = withShoal(page.Hls, config) as unknown as HlsClass;
}

function readConfig(script: HTMLOrSVGScriptElement | null): ShoalConfig {
  const element = script as HTMLScriptElement | null;
  try {
    const found = configFromAttributes((name) => element?.getAttribute(`data-${name}`) ?? null);
    resolveConfig(found);
    return found;
  } catch (error) {
    // A mistake in the tag costs P2P, never the page's video.
    console.error(`shoal: ${messageOf(error)}`);
    return { p2p: false };
  }
}
