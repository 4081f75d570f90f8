/**
 * `npm run bundle -w @blyan/verify [-- folder]`: the command as one file that needs nothing but Node, with a
 * package.json, so that `npx --package=./folder blyan-verify` runs it anywhere.
 */
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const out = path.resolve(process.argv[2] ?? path.join(root, 'dist'));
const file = path.join(out, 'blyan-verify.mjs');
mkdirSync(out, { recursive: true });
await build({
  absWorkingDir: root,
  entryPoints: ['src/main.ts'],
  outfile: file,
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node20',
  banner: { js: '#!/usr/bin/env node' },
  logLevel: 'warning',
});
chmodSync(file, 0o755);
const manifest = {
  name: 'blyan-verify',
  version: '0.1.0',
  license: 'Apache-2.0',
  type: 'module',
  bin: { 'blyan-verify': './blyan-verify.mjs' },
  engines: { node: '>=20.19' },
};
writeFileSync(path.join(out, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
console.log(file);
