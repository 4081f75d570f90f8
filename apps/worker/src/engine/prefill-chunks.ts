/** How a prefix is cut into runs. */
import type { ModelConfig } from '@blyan/model/config';

/** Most positions of one prefill run. */
const MAX_CHUNK = 64;
const MIN_CHUNK = 16;
/** Scores of one layer, [heads, S, P + S] in f32, stay below 128 MiB. */
const MAX_SCORES = 1 << 25;
/**
 * Positions times weights of one run: what two cores of 2021 do in about 250 ms, which is how long a
 * running sequence may have to wait for its next token.
 */
const MAX_WORK = 1.6e10;

/**
 * Positions of the next prefill run. It follows from the model and the position alone, never from
 * load: the split decides in which order attention sums, and a re-run shall give equal bits.
 */
export function prefillChunk(config: ModelConfig, past: number): number {
  const { hidden, heads, kvHeads, headDim, intermediate, layers } = config;
  const attention = 2 * hidden * headDim * (heads + kvHeads);
  const weights = layers * (attention + 3 * hidden * intermediate);
  const byWork = 2 ** Math.floor(Math.log2(MAX_WORK / weights));
  const byMemory = Math.floor(MAX_SCORES / (heads * (past + MAX_CHUNK)));
  return Math.max(MIN_CHUNK, Math.min(MAX_CHUNK, byWork, byMemory));
}

/**
 * The last end of a whole chunk at or before `length`. K and V up to there have the same bits in every
 * sequence that begins with the same tokens, whatever follows.
 */
export function wholeChunks(config: ModelConfig, length: number): number {
  let end = 0;
  for (;;) {
    const next = end + prefillChunk(config, end);
    if (next > length) return end;
    end = next;
  }
}
