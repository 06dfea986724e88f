/** Builds `dist/`: the ES modules, and with `--mode script` the single file for script tags. */

import { copyFileSync, existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { defineConfig, type Plugin } from 'vite';

const here = import.meta.dirname;
const glue = resolve(here, 'src/wasm/wasm_peer.js');
const wasm = resolve(here, 'src/wasm/wasm_peer_bg.wasm');
const missing = '\0shoal-wasm-missing';

/** Puts the generated code behind its name, and the module beside the built files. */
function wasmPeer(): Plugin {
  return {
    name: 'shoal-wasm',
    enforce: 'pre',
    resolveId(id) {
      if (id !== 'shoal-wasm-glue') return null;
      return existsSync(glue) ? glue : missing;
    },
    load(id) {
      if (id !== missing) return null;
      this.warn('src/wasm/ is empty (`cargo xtask build` fills it): this build plays over plain HTTP only');
      return `throw new Error('this build was made without the wasm peer')`;
    },
    transform(code, id) {
      // The module's URL is always given, and bundlers would ship a second copy for this one.
      return id === glue ? code.replace(/new URL\([^)]*import\.meta\.url\)/g, 'undefined') : null;
    },
    generateBundle(_, bundle) {
      // The form that the bundlers of sites recognise as an asset; Vite has made it unrecognisable.
      for (const file of Object.values(bundle)) {
        if (file.type !== 'chunk') continue;
        file.code = file.code
          .replaceAll(/(["'`])\1\s*\+\s*import\.meta\.url/g, 'import.meta.url')
          .replaceAll('`./shoal.wasm`', '"./shoal.wasm"');
      }
    },
    writeBundle(options) {
      if (existsSync(wasm) && options.dir) copyFileSync(wasm, resolve(options.dir, 'shoal.wasm'));
    },
  };
}

/** The script tag's build knows its own address from its tag. */
function scriptUrl(): Plugin {
  return {
    name: 'shoal-script-url',
    enforce: 'pre',
    resolveId(id, importer) {
      return id === './wasm-url.js' && importer ? resolve(here, 'src/wasm-url.script.ts') : null;
    },
  };
}

export default defineConfig(({ mode }) => {
  const script = mode === 'script';
  return {
    plugins: script ? [scriptUrl(), wasmPeer()] : [wasmPeer()],
    build: {
      target: 'es2022',
      emptyOutDir: !script,
      minify: 'oxc',
      lib: script
        ? { entry: 'src/shoal.iife.ts', formats: ['iife'], name: 'ShoalScript', fileName: () => 'shoal.iife.js' }
        : {
            entry: { shoal: 'src/shoal.ts', 'shoal-hls': 'src/shoal-hls.ts' },
            formats: ['es'],
            fileName: (_, name) => `${name}.js`,
          },
      rolldownOptions: script ? {} : { output: { chunkFileNames: '[name].js', minify: true } },
    },
    test: {
      environment: 'happy-dom',
      include: ['test/**/*.test.ts'],
      // The stand-in for a browser reports every request that a test aborts.
      silent: 'passed-only',
    },
  };
});
