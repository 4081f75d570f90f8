/**
 * One model in every stored format, for `npm run bench -- formats`: size, speed, and how far the
 * probabilities are from those of f32. Imported, verified and loaded as a worker does it.
 *
 * Arguments: checkpoint, file of conversations (lines of `{"q", "a"}`), threads (0: cores), and
 * optionally n to take each n-th conversation only. Each line of the output is a FormatResult.
 */
import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import type { StoredFormat } from '@blyan/chain/types';
import type { ModelFiles } from '@blyan/model/files';
import type { KvType } from '@blyan/model/stage/attention-io';
import { createTemplate } from '@blyan/model/template';
import { createTokenizer } from '@blyan/model/tokenizer';
import { generate } from '../src/engine/runner.ts';
import type { StageSession } from '../src/engine/stage-session.ts';
import { GREEDY, type LoadedModel, loadModel } from '../test/support/models.ts';

interface FormatResult {
  format: StoredFormat;
  exact: boolean;
  /** Type of the cached K and V. */
  kv: KvType;
  /** Of the weights on chain. */
  chainBytes: number;
  memoryBytes: number;
  tokensPerSecond: number;
  /** Mean Kullback-Leibler divergence from f32, nats. */
  kl: number;
  /** Share of positions with the same most likely token as f32. */
  top1: number;
  positions: number;
}

type Variant = Pick<FormatResult, 'format' | 'exact' | 'kv'>;

const VARIANTS: readonly Variant[] = [
  ...(['f32', 'f16', 'bf16', 'q8', 'q4', 'fp8', 'nf4'] as const).map((format) => ({
    format,
    exact: false,
    kv: 'f32' as const,
  })),
  { format: 'fp8', exact: true, kv: 'f32' },
  { format: 'nf4', exact: true, kv: 'f32' },
  { format: 'f32', exact: false, kv: 'f16' },
];
/** Tokens of a measured answer, and how often each format gives one. */
const ANSWER = 96;
const ROUNDS = 5;

const [checkpoint, conversations, threadCount, nth = '1'] = process.argv.slice(2);
if (!checkpoint || !conversations) throw new Error('see the head of this file');
const threads = Number(threadCount) || availableParallelism();

/** Logits [count, vocab] behind each of the last `count` tokens. */
async function lastLogits(session: StageSession, ids: number[], count: number) {
  const rows = Array.from({ length: count }, (_, i) => ids.length - count + i);
  const cache = session.createCache();
  const { logits } = await session.prefill(cache, { input: { ids }, rows });
  cache.free();
  return logits!;
}

interface Case {
  /** Prompt and answer, without the answer's last token. */
  ids: number[];
  /** Tokens of the answer. */
  count: number;
}

/** The prompt as the web app renders it, and the answer as the template ends it. */
function toCase(files: ModelFiles, { q, a }: { q: string; a: string }): Case {
  const template = createTemplate(files);
  const tokenizer = createTokenizer(files);
  const question = { role: 'user', content: q };
  const prompt = template.render([question], { addGenerationPrompt: true, thinking: false });
  const whole = template.render([question, { role: 'assistant', content: a }], {
    addGenerationPrompt: false,
    thinking: false,
  });
  if (!whole.startsWith(prompt)) throw new Error(`the template does not continue ${prompt}`);
  const answer = tokenizer.encode(whole.slice(prompt.length).trimEnd());
  return { ids: [...tokenizer.encode(prompt), ...answer.slice(0, -1)], count: answer.length };
}

/** log of the sum of exp, and where the largest is. */
function summarize(row: Float32Array): { logSum: number; best: number } {
  let best = 0;
  for (let i = 1; i < row.length; i++) if (row[i]! > row[best]!) best = i;
  const max = row[best]!;
  let sum = 0;
  for (let i = 0; i < row.length; i++) sum += Math.exp(row[i]! - max);
  return { logSum: max + Math.log(sum), best };
}

const models: LoadedModel[] = [];
for (const { format, exact, kv } of VARIANTS) {
  models.push(await loadModel(checkpoint, { format, exact, kv, threads }));
}
const [reference] = models as [LoadedModel];
const { files } = reference;
const { vocab } = files.config;
const lines = (await readFile(conversations, 'utf8')).trimEnd().split('\n');
const cases = lines
  .filter((_, i) => i % Number(nth) === 0)
  .map((line) => toCase(files, JSON.parse(line)));

const sums = models.map(() => ({ kl: 0, same: 0 }));
let positions = 0;
for (const [done, { ids, count }] of cases.entries()) {
  const expected = await lastLogits(reference.session, ids, count);
  const rows = Array.from({ length: count }, (_, i) => i * vocab);
  const facts = rows.map((at) => {
    const row = expected.subarray(at, at + vocab);
    const { logSum, best } = summarize(row);
    return { row, logSum, best, p: row.map((x) => Math.exp(x - logSum)) };
  });
  for (const [m, model] of models.entries()) {
    const found = model === reference ? expected : await lastLogits(model.session, ids, count);
    facts.forEach(({ row, logSum, best, p }, i) => {
      const other = found.subarray(rows[i]!, rows[i]! + vocab);
      const own = summarize(other);
      let kl = 0;
      for (let t = 0; t < vocab; t++) kl += p[t]! * (row[t]! - other[t]!);
      sums[m]!.kl += kl - logSum + own.logSum;
      if (own.best === best) sums[m]!.same++;
    });
  }
  positions += count;
  if (done % 100 === 99) console.error(`· ${done + 1} of ${cases.length} conversations`);
}

/** Decode speeds, one round of all formats after the other, so that all meet the same disturbances. */
const speeds = models.map((): number[] => []);
const prompt = cases[0]!.ids.slice(0, -cases[0]!.count + 1);
for (let round = 0; round <= ROUNDS; round++) {
  for (const [m, { session }] of models.entries()) {
    const { stepsMs } = await generate(session, prompt, { ...GREEDY, maxTokens: ANSWER });
    const seconds = stepsMs.reduce((a, b) => a + b, 0) / 1000;
    // The first round is warm-up.
    if (round > 0) speeds[m]!.push(stepsMs.length / seconds);
  }
}

for (const [m, { format, exact, kv }] of VARIANTS.entries()) {
  const { network, memoryBytes } = models[m]!;
  const tensors = network.verifier
    .blocks('B')
    .flatMap((block) => (block.isType('layer') ? block.body.tensors : []));
  const result: FormatResult = {
    format,
    exact,
    kv,
    chainBytes: tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0),
    memoryBytes,
    tokensPerSecond: speeds[m]!.toSorted((a, b) => a - b)[ROUNDS >> 1]!,
    kl: sums[m]!.kl / positions,
    top1: sums[m]!.same / positions,
    positions,
  };
  console.log(JSON.stringify(result));
}
for (const model of models) await model[Symbol.asyncDispose]();
