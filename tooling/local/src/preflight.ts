/** What can be known to go wrong before anything is started, each with one sentence and its fix. */
import { access, constants, mkdir, statfs } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { LocalEnv } from './env.ts';
import { LocalError } from './errors.ts';
import { portOwner } from './port-owner.ts';

/** A first start writes about 300 MB: build, database, blobs of the embedded model; and room to work. */
const FREE_BYTES = 512 * 1024 * 1024;

/** Free bytes of the disk that holds a directory. */
type FreeBytes = (dir: string) => Promise<number>;

const freeBytes: FreeBytes = async (dir) => {
  const { bavail, bsize } = await statfs(dir);
  return bavail * bsize;
};

/** @param free how the room is measured, for tests: no test should fill a disk */
export async function prepareDataDir(
  { dataDir, blobDir }: Pick<LocalEnv, 'dataDir' | 'blobDir'>,
  free = freeBytes,
): Promise<void> {
  // Not 0700: as root, PostgreSQL runs as another account and passes here. Secrets are 0600.
  await prepare(dataDir, { variable: 'BLYAN_DATA_DIR', what: 'data', mode: 0o711 }, free);
  await prepare(blobDir, { variable: 'BLYAN_BLOB_DIR', what: 'blob', mode: 0o755 }, free);
}

async function prepare(
  dir: string,
  { variable, what, mode }: { variable: string; what: string; mode: number },
  freeOf: FreeBytes,
): Promise<void> {
  try {
    await mkdir(dir, { recursive: true, mode });
    await access(dir, constants.W_OK | constants.X_OK);
  } catch (error) {
    throw new LocalError(
      'DATA_DIR',
      `The ${what} directory ${dir} cannot be written (${(error as NodeJS.ErrnoException).code}): change its owner, or name another one with ${variable}.`,
    );
  }
  const free = await freeOf(dir);
  if (free >= FREE_BYTES) return;
  const mib = (bytes: number) => Math.floor(bytes / 1024 ** 2);
  throw new LocalError(
    'DISK_FULL',
    `The disk of ${dir} has ${mib(free)} MiB free and ${mib(FREE_BYTES)} MiB are needed: make room, or name a directory on another disk with ${variable}.`,
  );
}

export async function checkPort({ host, port }: Pick<LocalEnv, 'host' | 'port'>): Promise<void> {
  const code = await new Promise<string | null>((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'ERROR'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(null)));
  });
  if (code === null) return;
  if (code === 'EADDRINUSE') {
    const owner = await portOwner(port);
    throw new LocalError(
      'PORT_IN_USE',
      `Port ${port} is in use${owner ? ` by ${owner}` : ''}: stop that program, or choose another port, for example PORT=${port < 65535 ? port + 1 : 8000} npm start.`,
      { port },
    );
  }
  if (code === 'EACCES') {
    throw new LocalError(
      'PORT_IN_USE',
      `Port ${port} may not be used by an ordinary user: choose one above 1023, for example PORT=8000 npm start.`,
    );
  }
  throw new LocalError(
    'ENV_INVALID',
    `HOST=${host} is not an address of this machine (${code}): for example HOST=127.0.0.1.`,
  );
}
