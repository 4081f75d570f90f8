import { randomBytes } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { NodeId } from '@blyan/protocol/ids';

/** The id of this node: made at the first start and kept, so that a restart is the same node. */
export async function keptNodeId(dir: string): Promise<string> {
  const file = path.join(dir, 'node-id');
  await mkdir(dir, { recursive: true });
  const fresh = `node-${randomBytes(6).toString('hex')}`;
  // Only the first of two starts at once writes; a torn file is made anew.
  await writeFile(file, `${fresh}\n`, { flag: 'wx' }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  const kept = NodeId.safeParse((await readFile(file, 'utf8')).trim());
  if (kept.success) return kept.data;
  await writeFile(file, `${fresh}\n`);
  return fresh;
}
