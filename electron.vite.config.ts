import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'electron-vite';
import packageJson from './package.json' with { type: 'json' };

/**
 * Three builds. The main process and the command line are CommonJS for Node 18.15 (Electron 25, Debian 12) in one build, so
 * that they share chunks; npm dependencies stay in node_modules. The preload script is one file without dependencies, as
 * a sandboxed renderer asks. The renderer is the same for Electron and for browsers.
 */
const entries = {
  index: 'src-main/index.ts',
  drydock: 'src-main/cli/drydock.ts',
  start: 'src-main/cli/start.ts',
};

/** Chunks lie beside their entries, so that `__dirname` is the same folder in every file. */
const commonJs = { format: 'cjs', entryFileNames: '[name].cjs', chunkFileNames: '[name]-[hash].cjs' } as const;

export default defineConfig({
  main: {
    define: { __DRYDOCK_VERSION__: JSON.stringify(packageJson.version) },
    build: {
      outDir: 'out/main',
      target: 'node18.15',
      minify: false,
      sourcemap: true,
      externalizeDeps: true,
      rollupOptions: { input: entries, external: ['electron'], output: commonJs },
    },
  },
  preload: {
    build: {
      outDir: 'out/preload',
      target: 'node18.15',
      minify: false,
      externalizeDeps: false,
      rollupOptions: { input: { index: 'src-main/preload/index.ts' }, external: ['electron'], output: commonJs },
    },
  },
  renderer: {
    root: 'src-renderer',
    base: './',
    plugins: [svelte()],
    build: {
      outDir: 'out/renderer',
      target: 'chrome114',
      assetsInlineLimit: 0,
      modulePreload: { polyfill: false },
      rollupOptions: { input: 'src-renderer/index.html' },
    },
  },
});
