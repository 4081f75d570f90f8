/**
 * The bare engine behind lines of JSON, for `npm run bench`: the same code as the engine process, with
 * no queue, coordinator or HTTP around it.
 *
 *   {"op":"load"}                                   -> {"stage": s, "session": s, "bytes": n}
 *   {"op":"generate","prompt":[ids],"tokens":n}     -> {"firstMs": ms, "decodeMs": ms, "tokens": n}
 *
 * Arguments: main URL, genesis, blob directory, model name, threads (0: cores).
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

const Command = z.discriminatedUnion('op', [
  z.object({ op: z.literal('load') }),
  z.object({
    op: z.literal('generate'),
    prompt: z.array(z.number().int()).min(1),
    tokens: z.number().int().min(2),
  }),
]);

const [mainUrl, genesis, blobDir, modelName, threadCount] = process.argv.slice(2);
if (!mainUrl || !genesis || !blobDir || !modelName) throw new Error('see the head of this file');
const threads = Number(threadCount) || availableParallelism();

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
  const { session, bytes } = await loadStage({ verifier, model }, deps, { threads });
  const seconds = (performance.now() - start) / 1000;
  return { session, stage: seconds, plain: session.createMs / 1000, bytes };
}

async function answer(command: z.infer<typeof Command>, session: StageSession) {
  if (command.op === 'load') {
    const loaded = await load();
    await loaded.session[Symbol.asyncDispose]();
    return { stage: loaded.stage, session: loaded.plain, bytes: loaded.bytes };
  }
  const params = { ...NEUTRAL, temperature: 0, seed: 0, maxTokens: command.tokens };
  const { tokens, prefillMs, stepsMs } = await generate(session, command.prompt, params);
  const decodeMs = stepsMs.reduce((a, b) => a + b, 0);
  return { firstMs: prefillMs, decodeMs, tokens: tokens.length };
}

const { session } = await load();
console.log(JSON.stringify({ vocab: session.config.vocab }));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(Command.parse(JSON.parse(line)), session)));
}
await session[Symbol.asyncDispose]();
