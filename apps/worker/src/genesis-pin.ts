/** The network that this worker belongs to, when nobody named it: the one that it joined first. */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { Hash } from '@blyan/protocol/ids';

const fileOf = (dir: string) => path.join(dir, 'genesis');

/** The pinned hash of chain A's genesis, hex, or null before the first registration. */
export async function pinnedGenesis(dir: string): Promise<string | null> {
  const text = await readFile(fileOf(dir), 'utf8').catch(() => '');
  const hash = Hash.safeParse(text.trim());
  return hash.success ? hash.data : null;
}

export async function pinGenesis(dir: string, hash: string): Promise<void> {
  await mkdir(dir, { recursive: true });
  await writeFile(fileOf(dir), `${hash}\n`);
}
