/** The command: arguments to a target, a walk, an exit code. */
import { toHex } from '@blyan/chain/hex';
import type { ChainId, Hash } from '@blyan/chain/types';
import { type FetchBytes, type Step, type Target, type Verdict, Walker } from '@blyan/chain/walk';
import { httpBytes } from '@blyan/chain/walk-http';
import { type Options, readArguments, USAGE, UsageError } from './arguments.ts';
import { readKept, writeKept } from './kept.ts';
import { Printer } from './print.ts';

/** Everything holds; something does not; nothing can be said. */
const [HOLDS, BROKEN, UNKNOWN] = [0, 1, 2];

interface Streams {
  out: NodeJS.WritableStream;
  err: NodeJS.WritableStream & { isTTY?: boolean };
  signal?: AbortSignal;
}

/** @returns the exit code */
export async function verify(args: string[], streams: Streams): Promise<number> {
  const { out, err, signal } = streams;
  try {
    const options = readArguments(args);
    if (options) return await run(options, streams);
    out.write(`${USAGE}\n`);
    return HOLDS;
  } catch (error) {
    if (signal?.aborted) err.write('Stopped.\n');
    else if (error instanceof UsageError) err.write(`${error.message}\n`);
    else throw error;
    return UNKNOWN;
  }
}

async function run(options: Options, { out, err, signal }: Streams): Promise<number> {
  const { main, genesis, maxFollowed, keep, json } = options;
  const fetchBytes = httpBytes(main);
  const kept = keep === undefined ? {} : readKept(keep, genesis);
  const walker = new Walker({
    genesis,
    fetchBytes,
    kept,
    ...(maxFollowed === undefined ? {} : { maxFollowed }),
  });
  const target = await located(options.target, fetchBytes);
  const steps: Step[] = [];
  let verdict: Verdict | undefined;
  const printer = json ? null : new Printer(out, err.isTTY ? err : null);
  for await (const event of walker.walk(target, signal)) {
    if (event.kind === 'progress') printer?.progress(event);
    else if (event.kind === 'verdict') {
      verdict = event;
      printer?.verdict(event);
    } else {
      if (json) steps.push(event);
      printer?.step(event);
    }
  }
  if (!verdict) throw new Error('a walk without a verdict');
  const { ok, failed, bytes, ms } = verdict;
  if (json) {
    out.write(`${JSON.stringify({ ok, genesis: toHex(genesis), failed, bytes, ms, steps })}\n`);
  }
  if (ok && keep !== undefined) writeKept(keep, genesis, verdict.checkpoints);
  if (ok) return HOLDS;
  return failed?.problem?.code === 'SOURCE_FAILED' ? UNKNOWN : BROKEN;
}

/** The chain of a block that is known by its hash alone: a question of where to ask, checked later. */
async function located(target: Options['target'], fetchBytes: FetchBytes): Promise<Target> {
  if (target.kind !== 'block') return target;
  for (const chain of ['A', 'B', 'L'] as const) {
    if (await has(chain, target.hash, fetchBytes)) return { ...target, chain };
  }
  throw new UsageError(`The node has no block ${toHex(target.hash)}, or it does not answer.`);
}

async function has(chain: ChainId, hash: Hash, fetchBytes: FetchBytes): Promise<boolean> {
  try {
    const path = `/chain/${chain}/block/${toHex(hash)}?format=header`;
    return (await fetchBytes(path, { maxBytes: 1024 })).length > 0;
  } catch {
    return false;
  }
}
