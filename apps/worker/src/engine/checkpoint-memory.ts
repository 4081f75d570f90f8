/**
 * The last signed checkpoint of each chain that this node has seen, on disk: so that a main node
 * that shows a shorter or another history after a restart is noticed.
 */
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkHistory, type OpenedCheckpoint, openCheckpoint } from '@blyan/chain/checkpoint';
import { toHex } from '@blyan/chain/hex';
import type { ChainId } from '@blyan/chain/types';
import type { ChainVerifier } from '@blyan/chain/verify';
import { EngineError } from './errors.ts';

export class CheckpointMemory {
  readonly #dir: string;

  constructor(dir: string) {
    this.#dir = dir;
  }

  /** @throws ChainError CHECKPOINT_ROLLBACK, CHECKPOINT_FORK when the synced chain lacks the past */
  async check(chain: ChainId, verifier: ChainVerifier): Promise<void> {
    const kept = await this.#read(chain, verifier);
    if (kept) checkHistory(kept, verifier);
  }

  /** Keeps a checkpoint that was checked against the same verifier. */
  async keep(fresh: OpenedCheckpoint, verifier: ChainVerifier): Promise<void> {
    const { chain, size } = fresh.checkpoint;
    const kept = await this.#read(chain, verifier);
    if (kept && kept.checkpoint.size >= size) return;
    const path = this.#path(chain, verifier);
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${path}.${process.pid}.tmp`;
    await using file = await open(temporary, 'w', 0o600);
    await file.writeFile(fresh.bytes);
    await file.sync();
    await rename(temporary, path);
  }

  /** Of another network is another file: a new pin starts a new memory. */
  #path(chain: ChainId, verifier: ChainVerifier): string {
    return join(this.#dir, `checkpoint-${toHex(verifier.genesis).slice(0, 16)}-${chain}`);
  }

  async #read(chain: ChainId, verifier: ChainVerifier): Promise<OpenedCheckpoint | null> {
    const path = this.#path(chain, verifier);
    let bytes: Uint8Array;
    try {
      bytes = await readFile(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
      throw error;
    }
    try {
      return openCheckpoint(bytes);
    } catch (cause) {
      // Never ignored: a damaged memory must not switch the check off in silence.
      const reason = cause instanceof Error ? cause.message : String(cause);
      throw new EngineError(
        'CHECKPOINT_DAMAGED',
        { path, reason },
        `${path} is damaged (${reason}), so a rollback could not be noticed. If you trust the main node, delete it.`,
        cause,
      );
    }
  }
}
