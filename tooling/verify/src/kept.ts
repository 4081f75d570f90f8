/** Checkpoints between two runs, as hex by chain, beside the genesis that they belong to. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { fromHex, toHex } from '@blyan/chain/hex';
import type { ChainId, Hash } from '@blyan/chain/types';
import { UsageError } from './arguments.ts';

type Kept = Partial<Record<ChainId, Uint8Array>>;

/** @throws UsageError for a file that is not ours, or of another network */
export function readKept(file: string, genesis: Hash): Kept {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new UsageError(`--keep: ${(error as Error).message}`);
  }
  try {
    const stored: { genesis: string; checkpoints: Record<string, string> } = JSON.parse(text);
    if (stored.genesis !== toHex(genesis)) throw new Error('it belongs to another genesis');
    const entries = Object.entries(stored.checkpoints).map(([chain, hex]) => [chain, fromHex(hex)]);
    return Object.fromEntries(entries) as Kept;
  } catch (error) {
    throw new UsageError(`--keep: ${file} cannot be used: ${(error as Error).message}`);
  }
}

export function writeKept(file: string, genesis: Hash, kept: Kept): void {
  const checkpoints = Object.fromEntries(
    Object.entries(kept).map(([chain, bytes]) => [chain, toHex(bytes)]),
  );
  // Whole or not at all: half a file would be refused the next time.
  writeFileSync(`${file}.new`, `${JSON.stringify({ genesis: toHex(genesis), checkpoints })}\n`);
  renameSync(`${file}.new`, file);
}
