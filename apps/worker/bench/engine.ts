/**
 * The bare engine behind lines of JSON, for `npm run bench`: the same code as the engine process, with
 * no queue, coordinator or HTTP around it.
 *
 *   {"op":"load"}                                   -> {"stage": s, "session": s, "bytes": n}
 *   {"op":"generate","prompt":[ids],"tokens":n}     -> {"firstMs": ms, "decodeMs": ms, "tokens": n}
 *   {"op":"batch","prompts":[[ids]],"tokens":n}     -> the same, of all of them together: `tokens` of each
 *
 * Arguments: main URL, genesis, blob directory, model name, threads (0: cores), slots.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { NEUTRAL } from '@blyan/protocol/sampling';
import { BlobStore } from '@blyan/store/blob-store';
import { httpSource } from '@blyan/store/http-source';
import { z } from 'zod';
import { syncChains } from '../src/engine/chain-sync.ts';
import { CheckpointMemory } from '../src/engine/checkpoint-memory.ts';
import { loadStage, pickModel } from '../src/engine/load-model.ts';
import { generate } from '../src/engine/runner.ts';
import type { StageSession } from '../src/engine/stage-session.ts';
import { Ours } from './ours.ts';

const Command = z.discriminatedUnion('op', [
  z.object({ op: z.literal('load') }),
  z.object({
    op: z.literal('generate'),
    prompt: z.array(z.number().int()).min(1),
    tokens: z.number().int().min(2),
  }),
  z.object({
    op: z.literal('batch'),
    prompts: z.array(z.array(z.number().int()).min(1)).min(1),
    tokens: z.number().int().min(2),
  }),
]);

const [mainUrl, genesis, blobDir, modelName, threadCount, slotCount] = process.argv.slice(2);
if (!mainUrl || !genesis || !blobDir || !modelName) throw new Error('see the head of this file');
const threads = Number(threadCount) || availableParallelism();
const slots = Number(slotCount) || 1;

const checkpointDir = await mkdtemp(join(tmpdir(), 'blyan-bench-'));
const signal = new AbortController().signal;
const verifier = await syncChains(genesis, {
  mainUrl,
  checkpoints: new CheckpointMemory(checkpointDir),
  signal,
  onProgress: () => undefined,
});
await rm(checkpointDir, { recursive: true });
const model = pickModel(verifier, modelName);
const deps = { store: await BlobStore.open(blobDir), sources: [httpSource(mainUrl)], signal };

/** From blocks and blobs on disk to a session, and the part of it that the runtime takes. */
async function load() {
  const start = performance.now();
  const { session, bytes } = await loadStage({ verifier, model }, deps, { threads, slots });
  const seconds = (performance.now() - start) / 1000;
  return { session, stage: seconds, plain: session.createMs / 1000, bytes };
}

async function answer(command: z.infer<typeof Command>, session: StageSession) {
  if (command.op === 'load') {
    const loaded = await load();
    await loaded.session[Symbol.asyncDispose]();
    return { stage: loaded.stage, session: loaded.plain, bytes: loaded.bytes };
  }
  if (command.op === 'batch') return batch(command, session);
  const params = { ...NEUTRAL, temperature: 0, seed: 0, maxTokens: command.tokens };
  const { tokens, prefillMs, stepsMs } = await generate(session, command.prompt, params);
  const decodeMs = stepsMs.reduce((a, b) => a + b, 0);
  return { firstMs: prefillMs, decodeMs, tokens: tokens.length };
}

async function batch(
  { prompts, tokens }: Extract<z.infer<typeof Command>, { op: 'batch' }>,
  session: StageSession,
) {
  const engine = new Ours(session);
  const start = performance.now();
  await engine.prefill(prompts);
  const read = performance.now();
  for (let i = 1; i < tokens; i++) await engine.step();
  const decodeMs = performance.now() - read;
  engine.forget();
  return { firstMs: read - start, decodeMs, tokens };
}

const { session } = await load();
console.log(JSON.stringify({ vocab: session.config.vocab }));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(Command.parse(JSON.parse(line)), session)));
}
await session[Symbol.asyncDispose]();
