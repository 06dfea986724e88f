/** How a site takes Shoal in, to be copied. */

/** The ways to play, as the buttons name them. */
export type SnippetName = 'script' | 'hls' | 'native';

/** The code for a site that plays `src`, with the tracker of this page. */
export function snippet(name: SnippetName, src: string, tracker: string): string {
  const publish = `# once, beside the media: writes shoal.json, changes nothing else
shoal publish ${src.replace(/^https?:\/\/[^/]+/, '').replace(/^\//, '')} --tracker ${tracker}
`;
  switch (name) {
    case 'script':
      return `${publish}
<!-- upgrades hls.js on the page, and defines <shoal-video> -->
<script src="/shoal/shoal.iife.js"></script>
<shoal-video src="${src}" controls muted></shoal-video>`;
    case 'hls':
      return `${publish}
import Hls from 'hls.js';
import { withShoal } from 'shoal/hls';

const hls = new (withShoal(Hls))({ p2p: {} });
hls.loadSource('${src}');
hls.attachMedia(video);

hls.shoal.on('stats', ({ p2pRatio }) => console.log(p2pRatio));`;
    case 'native':
      return `${publish}
import { ShoalPlayer } from 'shoal';

const player = await ShoalPlayer.attach(video, '${src}');

player.shoal.on('stats', ({ p2pRatio }) => console.log(p2pRatio));`;
  }
}
