/** The bare engine (apps/worker/bench/engine.ts) as a child process. */
import { join } from 'node:path';
import { startJsonChild } from '../json-child.ts';

export interface BareEngineOptions {
  root: string;
  mainUrl: string;
  genesis: string;
  blobDir: string;
  model: string;
  /** Sequences that it can decode in one run; 1 by default. */
  slots?: number;
}

export interface Generation {
  /** Until the first token. */
  firstMs: number;
  /** Of all tokens behind the first. */
  decodeMs: number;
  tokens: number;
}

export interface BareEngine extends AsyncDisposable {
  generate(prompt: number[], tokens: number): Promise<Generation>;
  /** All of them together: `firstMs` until each has its first token, `tokens` of each. */
  batch(prompts: number[][], tokens: number): Promise<Generation>;
  /** Seconds for the whole stage load, and of the session creation inside it. */
  load(): Promise<{ stage: number; session: number; bytes: number }>;
}

export async function startBareEngine(options: BareEngineOptions): Promise<BareEngine> {
  const { root, mainUrl, genesis, blobDir, model, slots = 1 } = options;
  const script = join(root, 'apps/worker/bench/engine.ts');
  const args = [script, mainUrl, genesis, blobDir, model, '0', String(slots)];
  const child = await startJsonChild(root, args);
  return {
    generate: (prompt, tokens) => child.call({ op: 'generate', prompt, tokens }),
    batch: (prompts, tokens) => child.call({ op: 'batch', prompts, tokens }),
    load: () => child.call({ op: 'load' }),
    [Symbol.asyncDispose]: () => child[Symbol.asyncDispose](),
  };
}
