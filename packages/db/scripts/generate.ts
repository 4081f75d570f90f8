/**
 * Generates the Prisma client into src/generated. The CLI wants a schema engine binary, downloads
 * one if there is none, and then does not use it for `generate`: naming any existing file keeps it
 * off the network, on every platform.
 */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const cli = createRequire(import.meta.url).resolve('prisma/build/index.js');
const { status, error } = spawnSync(process.execPath, [cli, 'generate'], {
  cwd: root,
  stdio: 'inherit',
  env: {
    PRISMA_SCHEMA_ENGINE_BINARY: process.execPath,
    PRISMA_HIDE_UPDATE_MESSAGE: '1',
    CHECKPOINT_DISABLE: '1',
    ...process.env,
  },
});
if (error) throw error;
process.exitCode = status ?? 1;
