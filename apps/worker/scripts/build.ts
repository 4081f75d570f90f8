/**
 * Bundles the worker and its engine; packages of ours are inlined, all others stay outside. With `bench`,
 * the engine that `npm run bench -- engine` drives: its memory and its load are those of what is deployed.
 */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

// Beside the file that starts it, by the name that it has there.
const thread = {
  'verify-thread.worker.node': '../../packages/chain/src/verify-thread.worker.node.js',
};
const [what] = process.argv.slice(2);

await build({
  absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
  ...(what === 'bench'
    ? {
        entryPoints: {
          compare: 'bench/compare.ts',
          'session-alone': 'bench/session-alone.ts',
          ...thread,
        },
        outdir: 'dist/bench',
      }
    : {
        entryPoints: { main: 'src/main.ts', engine: 'src/engine/main.ts', ...thread },
        outdir: 'dist',
      }),
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
