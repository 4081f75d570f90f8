/**
 * Names on disk: `<dir>/<hh>/<root hex>` holds the bytes, `<root hex>.leaves` beside it the leaf
 * hashes (32 bytes each). `<dir>/tmp` holds what is not whole yet: `<root hex>.part` is a download
 * that can be resumed, everything else belongs to one running process. `<dir>/protected` says that
 * nothing is to be removed.
 */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, rm, stat } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { fromHex, toHex } from '@blyan/chain/hex';
import { LEAF_SIZE } from '@blyan/chain/merkle';
import type { Hash } from '@blyan/chain/types';

export const HASH_BYTES = 32;
/** 1 TiB: a hundred times the largest dense tensor; its leaf list has 32 MiB. */
export const MAX_BLOB_BYTES = 2 ** 40;
/** A temporary file of a process that cannot be asked (another host, a reused pid) is stale after this. */
const STALE_TEMPORARY_MS = 60 * 60 * 1000;
/** Nobody comes back for a download after this. */
const STALE_PARTIAL_MS = 14 * 24 * 60 * 60 * 1000;

/** The empty blob has one leaf, the empty chunk. */
export const leafCount = (byteLength: number) => Math.max(1, Math.ceil(byteLength / LEAF_SIZE));
export const chunkLength = (byteLength: number, index: number) =>
  Math.min(LEAF_SIZE, byteLength - index * LEAF_SIZE);
export const leafAt = (leaves: Uint8Array, index: number) =>
  leaves.subarray(index * HASH_BYTES, (index + 1) * HASH_BYTES);

export function rootHex(root: Hash | string): string {
  const hex = typeof root === 'string' ? root : toHex(root);
  // The hex becomes a path: nothing but 64 hex characters may pass.
  if (!/^[0-9a-f]{64}$/.test(hex))
    throw new TypeError('root: expected 32 bytes or their lowercase hex');
  return hex;
}
export const rootBytes = (root: Hash | string): Hash => fromHex(rootHex(root));

export interface StoredBlob {
  /** Hex. */
  root: string;
  bytes: number;
  usedAt: number;
}

export class Layout {
  readonly dir: string;
  readonly tmp: string;
  private constructor(dir: string) {
    this.dir = dir;
    this.tmp = join(dir, 'tmp');
  }

  static async open(dir: string): Promise<Layout> {
    const layout = new Layout(dir);
    await mkdir(layout.tmp, { recursive: true });
    await layout.sweep();
    return layout;
  }

  folder = (hex: string) => join(this.dir, hex.slice(0, 2));
  blob = (hex: string) => join(this.folder(hex), hex);
  leaves = (hex: string) => `${this.blob(hex)}.leaves`;
  part = (hex: string) => join(this.tmp, `${hex}.part`);
  get protectedMark(): string {
    return join(this.dir, 'protected');
  }
  temporary = () => join(this.tmp, `${owner()}-${randomBytes(9).toString('hex')}.tmp`);

  async list(): Promise<StoredBlob[]> {
    const blobs: StoredBlob[] = [];
    for (const folder of await readdir(this.dir)) {
      if (!/^[0-9a-f]{2}$/.test(folder)) continue;
      for (const root of await readdir(join(this.dir, folder))) {
        if (!/^[0-9a-f]{64}$/.test(root)) continue;
        const info = await stat(this.blob(root)).catch(() => null);
        if (!info?.isFile()) continue;
        const leaves = leafCount(info.size) * HASH_BYTES;
        const usedAt = Math.max(info.atimeMs, info.mtimeMs);
        blobs.push({ root, bytes: info.size + leaves, usedAt });
      }
    }
    return blobs;
  }

  private async sweep(): Promise<void> {
    for (const name of await readdir(this.tmp)) {
      const path = join(this.tmp, name);
      const info = await stat(path).catch(() => null);
      if (info === null) continue;
      const age = Date.now() - info.mtimeMs;
      const stale = name.endsWith('.part') ? age > STALE_PARTIAL_MS : isOrphan(name, age);
      if (stale) await rm(path, { force: true, recursive: true });
    }
  }
}

const host = () => createHash('sha256').update(hostname()).digest('hex').slice(0, 8);
const owner = () => `${host()}-${process.pid}`;

function isOrphan(name: string, age: number): boolean {
  const [, ownerHost, pid] = /^([0-9a-f]{8})-(\d+)-[0-9a-f]+\.tmp$/.exec(name) ?? [];
  if (age > STALE_TEMPORARY_MS) return true;
  return ownerHost === host() && !isAlive(Number(pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
