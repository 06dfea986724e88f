/** One page; nothing is fetched from anywhere else. */

import { defineConfig } from 'vite';

export default defineConfig({
  // Relative, so that the page works in any folder of a site.
  base: './',
  build: { target: 'es2022', chunkSizeWarningLimit: 700 },
});
