/** One file of the hub: resumed where it stopped, verified, and only then given its name. */
import { createHash, type Hash } from 'node:crypto';
import { type FileHandle, open, rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ModelError } from '../errors.ts';
import { type HubClient, statusError } from './client.ts';
import type { HubFile } from './listing.ts';

/** Bytes of a partial file that are hashed at a time. */
const READ_BYTES = 4 * 1024 * 1024;
/** Whole downloads with wrong bytes before giving up: the second may come from another cache. */
const MAX_CORRUPT = 2;

export interface FileContext {
  client: HubClient;
  id: string;
  commit: string;
  dir: string;
  hasToken: boolean;
  signal: AbortSignal | undefined;
  /** Bytes of this file that are on disk. */
  onBytes(bytes: number): void;
}

/** Makes sure that `dir/path` holds the file that the hub describes. */
export async function fetchFile(file: HubFile, context: FileContext): Promise<void> {
  const target = join(context.dir, file.path);
  const part = `${target}.part`;
  const info = await stat(target).catch(() => null);
  if (info?.isFile() && (await isWhole(target, file, context))) return;
  for (let corrupt = 0; ; ) {
    let before = 0;
    let now = 0;
    const hash = await context.client.retry(
      () =>
        append(part, file, context, (bytes) => {
          now = bytes;
          context.onBytes(bytes);
        }),
      {
        signal: context.signal,
        progress: () => {
          const moved = now !== before;
          before = now;
          return moved;
        },
      },
    );
    if (hash === file.hash.hex) break;
    await rm(part, { force: true });
    if (++corrupt < MAX_CORRUPT) continue;
    throw new ModelError(
      'HUB_HASH_MISMATCH',
      { path: file.path, expected: file.hash.hex, found: hash },
      `${file.path} was downloaded ${corrupt} times and does not have the hash that the hub publishes (${file.hash.hex}).`,
    );
  }
  await rename(part, target);
}

/** A file that an earlier run finished is hashed again: disks forget. A bad one is fetched anew. */
async function isWhole(target: string, file: HubFile, context: FileContext): Promise<boolean> {
  await using handle = await open(target, 'r');
  const { size } = await handle.stat();
  if (size === file.byteLength) {
    const hash = startHash(file);
    await hashFile(handle, size, hash, context);
    if (hash.digest('hex') === file.hash.hex) return true;
  }
  await rm(target);
  context.onBytes(0);
  return false;
}

function startHash({ hash, byteLength }: HubFile): Hash {
  if (hash.type === 'sha256') return createHash('sha256');
  // A git object: https://git-scm.com/book/en/v2/Git-Internals-Git-Objects
  return createHash('sha1').update(`blob ${byteLength}\0`);
}

async function hashFile(handle: FileHandle, bytes: number, hash: Hash, context: FileContext) {
  const buffer = new Uint8Array(Math.min(READ_BYTES, bytes));
  for (let at = 0; at < bytes; ) {
    context.signal?.throwIfAborted();
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, bytes - at), at);
    if (bytesRead === 0) return;
    hash.update(buffer.subarray(0, bytesRead));
    at += bytesRead;
    context.onBytes(at);
  }
}

/** Fetches what `part` lacks. Returns the hash of the whole file. */
async function append(
  part: string,
  file: HubFile,
  context: FileContext,
  onBytes: (bytes: number) => void,
): Promise<string> {
  await using handle = await open(part, 'a+');
  let { size } = await handle.stat();
  // More bytes than the file has are none of it.
  if (size > file.byteLength) size = await restart(handle);
  let hash = startHash(file);
  await hashFile(handle, size, hash, { ...context, onBytes });
  if (size === file.byteLength) return hash.digest('hex');

  const { response, read, cancel } = await request(file, size, context);
  try {
    if (size > 0 && response.status !== 206) {
      // 200: the server does not do ranges. 416: it disagrees about the size; so does the next check.
      size = await restart(handle);
      hash = startHash(file);
      onBytes(0);
      if (response.status === 416) {
        throw new ModelError('HUB_FAILED', { path: file.path, status: 416 }, unranged(file.path));
      }
    }
    for await (const chunk of read()) {
      size += chunk.byteLength;
      if (size > file.byteLength) {
        await restart(handle);
        throw new ModelError(
          'HUB_RESPONSE_INVALID',
          { path: file.path, expected: file.byteLength },
          `${file.path}: the hub sends more than the ${file.byteLength} bytes that it lists.`,
        );
      }
      hash.update(chunk);
      await writeAll(handle, chunk);
      onBytes(size);
    }
  } finally {
    cancel();
  }
  if (size < file.byteLength) {
    throw new ModelError(
      'HUB_UNREACHABLE',
      { path: file.path, expected: file.byteLength, found: size },
      `${file.path}: the connection ended after ${size} of ${file.byteLength} bytes.`,
    );
  }
  await handle.sync();
  return hash.digest('hex');
}

const unranged = (path: string) => `${path}: the hub refuses to go on where the download stopped.`;

async function restart(handle: FileHandle): Promise<number> {
  await handle.truncate(0);
  return 0;
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let at = 0; at < chunk.byteLength; ) {
    // Opened for appending: the position is always the end.
    const { bytesWritten } = await handle.write(chunk, at, chunk.byteLength - at).catch(diskError);
    at += bytesWritten;
  }
}

function diskError(error: NodeJS.ErrnoException): never {
  if (error.code !== 'ENOSPC' && error.code !== 'EDQUOT') throw error;
  throw new ModelError(
    'DISK_FULL',
    {},
    'The disk is full. Free some space, or set BLYAN_DATA_DIR to another disk; the download goes on where it stopped.',
    error,
  );
}

async function request(file: HubFile, from: number, context: FileContext) {
  const { client, id, commit, signal } = context;
  const path = file.path.split('/').map(encodeURIComponent).join('/');
  const url = client.url(`${id}/resolve/${commit}/${path}`);
  const headers: Record<string, string> = from > 0 ? { range: `bytes=${from}-` } : {};
  const answer = await client.get(url, { headers, signal });
  const { response } = answer;
  const expected = `bytes ${from}-${file.byteLength - 1}/${file.byteLength}`;
  const range = response.headers.get('content-range');
  if (
    response.status === 206 &&
    from > 0 &&
    (range === expected || range === expected.replace(/\/\d+$/, '/*'))
  ) {
    return answer;
  }
  if (response.status === 200 || (response.status === 416 && from > 0)) return answer;
  if (response.status === 206) {
    answer.cancel();
    const message = `${file.path}: the hub sent another range (${range}) than it was asked for (${expected}).`;
    throw new ModelError('HUB_RESPONSE_INVALID', { path: file.path, range, expected }, message);
  }
  const what = `${file.path} of ${id}`;
  const error = await statusError(response, { ...context, what, endpoint: client.endpoint });
  answer.cancel();
  throw error;
}
