/** The network that this worker belongs to, when nobody named it: the one that it joined first. */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { Hash } from '@blyan/protocol/ids';
import { WorkerError } from './errors.ts';

const fileOf = (dir: string) => path.join(dir, 'genesis');

/**
 * The pinned hash of chain A's genesis, hex, or null before the first registration.
 * @throws WorkerError PIN_DAMAGED: without its pin a worker would believe whoever answers
 */
export async function pinnedGenesis(dir: string): Promise<string | null> {
  const file = fileOf(dir);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return null;
    throw damaged(file, message);
  }
  const hash = Hash.safeParse(text.trim());
  if (hash.success) return hash.data;
  throw damaged(file, 'it holds no hash');
}

export async function pinGenesis(dir: string, hash: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  const temporary = `${fileOf(dir)}.${process.pid}.tmp`;
  await using file = await open(temporary, 'w');
  await file.writeFile(`${hash}\n`);
  await file.sync();
  await rename(temporary, fileOf(dir));
}

const damaged = (file: string, reason: string) =>
  new WorkerError(
    'PIN_DAMAGED',
    `${file}, which names the network of this worker, cannot be read (${reason}). Write the genesis hash of your network into it or set BLYAN_GENESIS; if you trust the main node, delete it.`,
    { file },
  );
