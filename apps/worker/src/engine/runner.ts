/** The bare engine, without processes, queues or HTTP around it: for benchmarks and parity tests. */
import { SamplerState } from '@blyan/model/sampler-state';
import type { SamplingParams } from '@blyan/protocol/sampling';
import { prefillChunk } from './prefill-chunks.ts';
import type { StageSession } from './stage-session.ts';

export interface Generated {
  tokens: number[];
  /** Until the first token was known. */
  prefillMs: number;
  /** Of each later token. */
  stepsMs: number[];
}

export interface GenerateOptions {
  /** Ids that end the answer; the id itself is the last token. */
  stopTokens?: readonly number[];
  /** Positions of one prefill run; by default as the engine loop has it. */
  chunk?: number;
  /** Tokens of the answer that are known already. */
  emitted?: readonly number[];
}

/** Same tokens as the engine loop gives for the same input. */
export async function generate(
  session: StageSession,
  prompt: readonly number[],
  params: SamplingParams,
  options: GenerateOptions = {},
): Promise<Generated> {
  const cache = session.createCache();
  const { emitted = [], stopTokens = [] } = options;
  const tokens = [...emitted];
  const sampler = new SamplerState(params, prompt, emitted);
  const finished = () =>
    tokens.length >= params.maxTokens || (tokens.length > 0 && stopTokens.includes(tokens.at(-1)!));
  if (finished()) return { tokens, prefillMs: 0, stepsMs: [] };
  const prefix = [...prompt, ...emitted];
  const stepsMs: number[] = [];
  try {
    const start = performance.now();
    let logits: Float32Array | null = null;
    while (cache.length < prompt.length) {
      const chunk = options.chunk ?? prefillChunk(session.config, cache.length);
      const ids = prompt.slice(cache.length, cache.length + chunk);
      const last = cache.length + ids.length === prefix.length;
      ({ logits } = await session.prefill(cache, {
        input: { ids },
        rows: last ? [ids.length - 1] : [],
      }));
    }
    // With the bits that the tokens had when they were decoded.
    for (const id of emitted) ({ logits } = await session.decode([cache], { ids: [id] }));
    tokens.push(sampler.next(logits!).token);
    const prefillMs = performance.now() - start;
    while (!finished()) {
      const step = performance.now();
      ({ logits } = await session.decode([cache], { ids: [tokens.at(-1)!] }));
      tokens.push(sampler.next(logits!).token);
      stepsMs.push(performance.now() - step);
    }
    return { tokens, prefillMs, stepsMs };
  } finally {
    cache.free();
  }
}
