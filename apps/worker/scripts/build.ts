/** Bundles the worker and its engine; packages of ours are inlined, all others stay outside. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

await build({
  absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
  entryPoints: {
    main: 'src/main.ts',
    engine: 'src/engine/main.ts',
    // Beside the file that starts it, by the name that it has there.
    'verify-thread.worker.node': '../../packages/chain/src/verify-thread.worker.node.js',
  },
  outdir: 'dist',
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  sourcemap: true,
  logLevel: 'warning',
  plugins: [
    {
      name: 'external-packages',
      setup({ onResolve }) {
        // Bare names but for ours; `#` names are ours, too.
        onResolve({ filter: /^[^./#]/ }, ({ path, kind }) =>
          kind === 'entry-point' || path.startsWith('@blyan/') ? null : { path, external: true },
        );
      },
    },
  ],
});
