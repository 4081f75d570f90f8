/** Small pieces of durable file work. POSIX gives a rename meaning only if file and directory are synced. */
import { type FileHandle, open, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errors.ts';

/** Node refuses reads of 2 GiB and more; 64 MiB keeps the thread pool responsive at full disk speed. */
const MAX_READ_BYTES = 64 * 1024 * 1024;

/** Fills `target` from `position` on; returns how many bytes the file had. */
export async function readUpTo(
  file: FileHandle,
  target: Uint8Array,
  position: number,
  signal?: AbortSignal,
): Promise<number> {
  let done = 0;
  while (done < target.length) {
    signal?.throwIfAborted();
    const length = Math.min(target.length - done, MAX_READ_BYTES);
    const { bytesRead } = await file.read(target, done, length, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return done;
}

export async function writeAll(
  file: FileHandle,
  bytes: Uint8Array,
  position: number,
): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, position + done);
    done += bytesWritten;
  }
}

/** Writes, syncs and renames into place, so that the name never shows half a file. */
export async function writeDurably(
  temporary: string,
  path: string,
  bytes: Uint8Array,
): Promise<void> {
  const file = await open(temporary, 'w');
  try {
    await writeAll(file, bytes, 0);
    await file.sync();
  } finally {
    await file.close();
  }
  await rename(temporary, path);
}

async function syncDirectory(path: string): Promise<void> {
  let directory: FileHandle;
  try {
    directory = await open(path, 'r');
  } catch (error) {
    // Windows cannot open a directory; its renames are journalled.
    if (errnoOf(error) === 'EISDIR' || errnoOf(error) === 'EPERM') return;
    throw error;
  }
  try {
    await directory.sync();
  } catch (error) {
    if (errnoOf(error) !== 'EPERM' && errnoOf(error) !== 'EINVAL') throw error;
  } finally {
    await directory.close();
  }
}

export const syncParent = (path: string) => syncDirectory(dirname(path));
