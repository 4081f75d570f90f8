/**
 * Checkpoints from a Hugging Face hub, or anything that speaks its protocol. Files are pinned to one
 * commit, resumed after any interruption, and verified against the hashes that the hub publishes.
 */
import { mkdir, mkdtemp, readFile, rm, stat, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModelError } from './errors.ts';
import { MAX_MODEL_FILE_BYTES, MODEL_FILES, readModelFiles } from './files.ts';
import { HubClient } from './hub/client.ts';
import { fetchFile } from './hub/file.ts';
import {
  fetchListing,
  type HubFile,
  type HubListing,
  INDEX,
  SINGLE,
  smallFiles,
} from './hub/listing.ts';
import { readIndex } from './shard-index.ts';

export const DEFAULT_ENDPOINT = 'https://huggingface.co';
/** No byte for this long is a dropped connection; storage of the hub answers within seconds. */
const STALL_MS = 30_000;
const BACKOFF_MS = 500;
const CONFIG = 'config.json';
/** Left free beyond the download, so that a full disk does not stop the database next to it. */
const DISK_MARGIN_BYTES = 256 * 1024 * 1024;

export interface HubProgress {
  /** Path in the repository. */
  file: string;
  /** Of all files that are needed, as far as known; complete once the index was read. */
  doneBytes: number;
  totalBytes: number;
}

export interface HubDownload {
  id: string;
  /** Branch, tag or commit. */
  revision?: string;
  endpoint?: string;
  token?: string | null;
  /** Downloads are kept under it, by repository and commit. */
  dir: string;
  signal?: AbortSignal;
  onProgress?: (progress: HubProgress) => void;
  stallMs?: number;
  backoffMs?: number;
}

export interface HubCheckpoint {
  /** The directory to import. */
  dir: string;
  /** The commit. */
  commit: string;
  /** Hex SHA-256 of the files whose SHA-256 the hub publishes. */
  sha256: Map<string, string>;
}

const HUB_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,95}\/[A-Za-z0-9][A-Za-z0-9._-]{0,95}$/;

export const isHubId = (text: string) => HUB_ID.test(text) && !text.includes('..');

/** @throws ModelError HUB_*, DISK_FULL, and what an unfit configuration gets before weights are fetched */
export async function downloadFromHub(options: HubDownload): Promise<HubCheckpoint> {
  const { id, signal } = options;
  const { client, hasToken, listing } = await openRepository(options);
  const { commit } = listing;
  const dir = join(options.dir, id.replace('/', '--'), commit);
  await mkdir(dir, { recursive: true });

  const small = smallFiles(id, listing);
  const wanted = [...small];
  let doneBytes = 0;
  const fetchAll = async (files: HubFile[]) => {
    for (const file of files) {
      signal?.throwIfAborted();
      const before = doneBytes;
      const totalBytes = wanted.reduce((sum, { byteLength }) => sum + byteLength, 0);
      const onBytes = (bytes: number) => {
        doneBytes = before + bytes;
        options.onProgress?.({ file: file.path, doneBytes, totalBytes });
      };
      await fetchFile(file, { client, id, commit, dir, hasToken, signal, onBytes });
      doneBytes = before + file.byteLength;
    }
  };
  await fetchAll(small);
  await checkFitness(dir, small);
  const weights = await weightFiles(id, listing, dir);
  wanted.push(...weights);
  await checkDisk(dir, weights);
  await fetchAll(weights);

  const sha256 = new Map<string, string>();
  for (const { path, hash } of wanted) if (hash.type === 'sha256') sha256.set(path, hash.hex);
  return { dir, commit, sha256 };
}

/** Client and file list. @throws ModelError HUB_* */
async function openRepository(options: Omit<HubDownload, 'dir'>) {
  const { id, revision = 'main', token = null, signal } = options;
  if (!isHubId(id)) {
    throw new ModelError(
      'HUB_ID_INVALID',
      { id },
      `"${id}" is not a repository such as Qwen/Qwen3-8B.`,
    );
  }
  const client = new HubClient({
    endpoint: options.endpoint ?? DEFAULT_ENDPOINT,
    token,
    stallMs: options.stallMs ?? STALL_MS,
    backoffMs: options.backoffMs ?? BACKOFF_MS,
  });
  const hasToken = token !== null;
  return {
    client,
    hasToken,
    listing: await fetchListing(client, id, revision, { hasToken, signal }),
  };
}

/** Only config.json, verified; nothing is kept. @throws ModelError HUB_*, FILE_MISSING, FILE_TOO_LARGE */
export async function readHubConfig(
  options: Omit<HubDownload, 'dir' | 'onProgress'>,
): Promise<Uint8Array> {
  const { id, signal } = options;
  const { client, hasToken, listing } = await openRepository(options);
  const file = listing.files.get(CONFIG);
  if (!file) throw new ModelError('FILE_MISSING', { id, path: CONFIG }, `${id} lacks ${CONFIG}.`);
  const { byteLength } = file;
  if (byteLength > MAX_MODEL_FILE_BYTES) {
    throw new ModelError('FILE_TOO_LARGE', { id, path: CONFIG, byteLength });
  }
  const dir = await mkdtemp(join(tmpdir(), 'blyan-config-'));
  try {
    const { commit } = listing;
    await fetchFile(file, { client, id, commit, dir, hasToken, signal, onBytes: () => undefined });
    return await readFile(join(dir, CONFIG));
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Refuses a model that cannot be served before gigabytes of it are fetched. */
async function checkFitness(dir: string, files: HubFile[]): Promise<void> {
  const bytes = new Map<string, Uint8Array>();
  for (const { path } of files) {
    if ((MODEL_FILES as readonly string[]).includes(path))
      bytes.set(path, await readFile(join(dir, path)));
  }
  readModelFiles(bytes);
}

async function weightFiles(id: string, listing: HubListing, dir: string): Promise<HubFile[]> {
  const single = listing.files.get(SINGLE);
  if (single) return [single];
  const index = readIndex(INDEX, await readFile(join(dir, INDEX)));
  return index.shards.map((path) => {
    const file = listing.files.get(path);
    if (file) return file;
    throw new ModelError(
      'FILE_MISSING',
      { id, path },
      `${id} lacks ${path}, which its index names.`,
    );
  });
}

async function checkDisk(dir: string, files: HubFile[]): Promise<void> {
  let missing = 0;
  for (const { path, byteLength } of files) {
    const whole = await stat(join(dir, path)).catch(() => null);
    const part = await stat(join(dir, `${path}.part`)).catch(() => null);
    missing += Math.max(0, byteLength - (whole?.size ?? part?.size ?? 0));
  }
  const { bavail, bsize } = await statfs(dir);
  const free = bavail * bsize;
  if (missing === 0 || free >= missing + DISK_MARGIN_BYTES) return;
  const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  throw new ModelError(
    'DISK_FULL',
    { missing, free, dir },
    `The download needs ${gib(missing)} more, but only ${gib(free)} are free at ${dir}. Free some space, or set BLYAN_DATA_DIR to another disk.`,
  );
}
