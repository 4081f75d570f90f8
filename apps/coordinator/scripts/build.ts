/** Bundles the coordinator and its commands; packages of ours are inlined, all others stay outside. */
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

await build({
  absWorkingDir: fileURLToPath(new URL('..', import.meta.url)),
  entryPoints: {
    main: 'src/main.ts',
    'commands/api-keys': 'src/commands/api-keys.ts',
    'commands/admin': 'src/commands/admin.ts',
    'commands/init': 'src/commands/init.ts',
    'commands/model-import': 'src/commands/model-import.ts',
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
