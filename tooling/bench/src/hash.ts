/**
 * Bulk hashing of 1 MiB leaves through packages/chain, against `openssl speed` on the same core.
 *
 * Both count CPU time (openssl's default), so that other work on the machine disturbs little; ours
 * counts system time and all threads of the process, theirs user time only. Ours walks a buffer that
 * is larger than the caches, theirs hashes one MiB again and again.
 */
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { promisify } from 'node:util';
import { LEAF_SIZE, leafHashes } from '@blyan/chain/merkle';
import { median, type Result } from './result.ts';

const run = promisify(execFile);

/** Odd, so that the median is one of them. */
const ROUNDS = 5;
/** Behind the last-level cache of most machines. */
const BUFFER = 64 * LEAF_SIZE;
const SECOND = 1_000_000;
const MB = 1e6;

/** Medians over rounds that take turns. Bar: `hash.ratio` of 0.9 and more. */
export async function benchHash(): Promise<Result[]> {
  await using core = await pinToOneCore();
  const bytes = new Uint8Array(BUFFER);
  for (let i = 0; i < bytes.length; i += 997) bytes[i] = i & 255;
  leafHashes(bytes);
  const ours: number[] = [];
  const openssl: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    ours.push(hashForASecond(bytes));
    openssl.push(await opensslSpeed(core.index));
  }
  const ratios = ours.map((rate, i) => rate / openssl[i]!);
  return [
    { name: 'hash.leaves', value: median(ours) / MB, unit: 'MB/s' },
    { name: 'hash.openssl', value: median(openssl) / MB, unit: 'MB/s' },
    { name: 'hash.ratio', value: median(ratios), unit: 'x' },
  ];
}

/** Bytes per second of CPU time. */
function hashForASecond(bytes: Uint8Array): number {
  const start = process.cpuUsage();
  let hashed = 0;
  let spent = 0;
  while (spent < SECOND) {
    leafHashes(bytes);
    hashed += bytes.length;
    const { user, system } = process.cpuUsage(start);
    spent = user + system;
  }
  return (hashed / spent) * SECOND;
}

async function opensslSpeed(core: number | undefined): Promise<number> {
  const command = ['openssl', 'speed', '-mr', '-seconds', '1', '-bytes', String(LEAF_SIZE)];
  command.push('-evp', 'sha256');
  if (core !== undefined) command.unshift('taskset', '-c', String(core));
  const { stdout } = await run(command[0]!, command.slice(1));
  // Machine-readable: `+F:25:sha256:1786773504.00`, bytes a second.
  const rate = Number(/^\+F:\d+:[^:]+:([\d.]+)$/m.exec(stdout)?.[1]);
  if (!(rate > 0)) throw new Error(`openssl speed printed no figure:\n${stdout}`);
  return rate;
}

/** Moves the main thread to the last core until disposed; nothing where there is no taskset. */
async function pinToOneCore(): Promise<AsyncDisposable & { index: number | undefined }> {
  const index = availableParallelism() - 1;
  const pid = String(process.pid);
  try {
    const { stdout } = await run('taskset', ['-p', pid]);
    const mask = stdout.trim().split(' ').at(-1)!;
    await run('taskset', ['-c', '-p', String(index), pid]);
    return {
      index,
      async [Symbol.asyncDispose]() {
        await run('taskset', ['-p', mask, pid]);
      },
    };
  } catch {
    return { index: undefined, async [Symbol.asyncDispose]() {} };
  }
}
