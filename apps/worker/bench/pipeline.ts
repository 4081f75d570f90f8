/**
 * The embedded model as a pipeline of three engine processes on this machine, for
 * `npm run bench -- pipeline`: against one engine, through both transports; and what f16 frames change.
 *
 * Arguments: checkpoint, file of conversations (lines of `{"q", "a"}`), URL of a Redis, and optionally
 * `speed` or `f16` for one part only. Each line of the output is `{name, value, unit}`.
 */
import { generateKeyPairSync, randomUUID, X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { toHex } from '@blyan/chain/hex';
import { createTemplate } from '@blyan/model/template';
import { createTokenizer } from '@blyan/model/tokenizer';
import type { Assignment } from '@blyan/protocol/assignment';
import { encodeFrame, MAX_FRAME_ROWS } from '@blyan/protocol/frames';
import { pickModel } from '../src/engine/load-model.ts';
import type { Assigned } from '../src/engine/messages.ts';
import type { ModelSession } from '../src/engine/model-session.ts';
import { packHidden } from '../src/pipeline/hidden.ts';
import { frameOf } from '../src/pipeline/member.ts';
import { nodeCertificate, publicKeyOf } from '../src/pipeline/node-certificate.ts';
import { loadCommand, type RunningEngine, startEngine } from '../test/support/engine.ts';
import { serveMainNode } from '../test/support/main-node.ts';
import { GREEDY, type LoadedModel, loadModel } from '../test/support/models.ts';
import { cut, startPipeline } from '../test/support/pipeline.ts';

const STAGES = 3;
const ANSWER = 32;
const ROUNDS = 7;
const SLOTS = 8;
/** Each so many of the conversations: some thousand positions. */
const NTH = 24;
/** Of each engine: with more they would take the cores from each other. */
const THREADS = 1;

const [checkpoint, conversations, redisUrl, part] = process.argv.slice(2);
if (!checkpoint || !conversations || !redisUrl) throw new Error('see the head of this file');
const emit = (name: string, value: number, unit: string) =>
  console.log(JSON.stringify({ name, value, unit }));

await using whole = await loadModel(checkpoint, { slots: 2, threads: THREADS });
const { network, files } = whole;
await using main = await serveMainNode(network);
const model = toHex(pickModel(network.verifier).hash);
const ranges = cut(files.config.layers, STAGES);
const keys = ranges.map(() => generateKeyPairSync('ed25519').privateKey);
const ports = await Promise.all(ranges.map(freePort));

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

function assigned(assignment: Assignment): Assigned[] {
  return keys.map((key, i) => ({
    assignment,
    nodeId: `node-${i}`,
    redisUrl: redisUrl!,
    key: key.export({ type: 'pkcs8', format: 'pem' }).toString(),
    listen: { host: '127.0.0.1', port: ports[i]! },
  }));
}

const assignmentOf = (direct: boolean): Assignment => ({
  id: randomUUID(),
  model,
  stages: ranges.map((layers, i) => ({
    nodeId: `node-${i}`,
    publicKey: publicKeyOf(new X509Certificate(nodeCertificate(keys[i]!).cert))!,
    layers,
    addresses: direct ? [`127.0.0.1:${ports[i]}`] : [],
  })),
  frames: 'f32',
  slots: SLOTS,
});

const command = (i: number, more: object = {}) =>
  loadCommand(network, main.url, join(network.dir, `engine-${i}`), {
    threads: THREADS,
    slots: SLOTS,
    ...more,
  });

const ready = (engine: RunningEngine, seen = 0) =>
  engine.until((m) => m.type === 'ready' && engine.messages.indexOf(m) >= seen);

let serial = 0;
/** CPU time of an engine so far, ms; null where the system does not say. With one thread it is when it works. */
function workedMs({ client }: RunningEngine): number | null {
  const file = `/proc/${client.pid}/stat`;
  if (!existsSync(file)) return null;
  // Behind the name, which may have spaces: state is field 3, utime and stime are 14 and 15, in ticks of 10 ms.
  const fields = readFileSync(file, 'utf8').split(') ').at(-1)!.split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

interface Taken {
  ms: number;
  /** Of each engine, the part of that time in which it worked. */
  busy: number[];
}

/**
 * What `count` answers at once take, from the first token of the last one on.
 *
 * @param engines all stages, the head first
 */
async function answers(engines: readonly RunningEngine[], count: number): Promise<Taken> {
  const engine = engines[0]!;
  // Each message is looked through for each answer: those of earlier ones would be most of the work.
  engine.messages.length = 0;
  const ids = Array.from({ length: count }, () => `request-${String(serial++).padStart(16, '0')}`);
  const prompt = Array.from({ length: 48 }, (_, i) => (i * 37) % files.config.vocab);
  const ended = (id: string) =>
    engine.events().find((e) => e.requestId === id && (e.type === 'done' || e.type === 'fail'));
  for (const [i, requestId] of ids.entries()) {
    engine.client.submit({
      requestId,
      attempt: 1,
      model,
      prompt: [i + 1, ...prompt],
      emitted: [],
      // Sampled, so that answers do not repeat themselves and nothing is guessed.
      params: { ...GREEDY, temperature: 1, topK: 0, seed: i, maxTokens: ANSWER },
      stopTokens: [],
      remainingMs: 600_000,
    });
  }
  const first = (id: string) =>
    engine.events().some((e) => e.requestId === id && e.type === 'tokens');
  await engine.until(() => ids.every((id) => first(id) || ended(id) !== undefined));
  const worked = engines.map(workedMs);
  const start = performance.now();
  await engine.until(() => ids.every(ended));
  const ms = performance.now() - start;
  for (const id of ids) {
    const end = ended(id);
    if (end?.type !== 'done') throw new Error(JSON.stringify(end));
  }
  const busy = engines.flatMap((each, i) => {
    const [before, after] = [worked[i] ?? null, workedMs(each)];
    return before === null || after === null ? [] : [(after - before) / ms];
  });
  return { ms, busy };
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

async function speeds(): Promise<void> {
  await using alone = startEngine();
  alone.client.load(command(9));
  await ready(alone);
  const engines = ranges.map(() => startEngine());
  try {
    const begin = async (direct: boolean, load: boolean) => {
      const seen = engines[0]!.messages.length;
      for (const [i, each] of assigned(assignmentOf(direct)).entries()) {
        if (load) engines[i]!.client.load(command(i, { assigned: each }));
        else engines[i]!.client.assign(each);
      }
      await ready(engines[0]!, seen);
    };
    const times = new Map<string, number[]>();
    const shares = new Map<string, number[]>();
    const measure = async (name: string, all: readonly RunningEngine[]) => {
      for (const count of [1, 6]) {
        const key = `${name}.${count}`;
        console.error(`· ${key}`);
        const { ms, busy } = await answers(all, count);
        times.set(key, [...(times.get(key) ?? []), ms]);
        for (const [stage, share] of busy.entries()) {
          const name = `${key}-sequences.busy.stage-${stage + 1}`;
          shares.set(name, [...(shares.get(name) ?? []), share]);
        }
      }
    };
    // In turns: what else the machine does meets all of them.
    for (let round = 0; round < ROUNDS; round++) {
      await measure('one-worker', [alone]);
      for (const direct of [false, true]) {
        await begin(direct, round === 0 && !direct);
        await measure(direct ? 'direct' : 'redis', engines);
        if (round < ROUNDS - 1) continue;
        const told = await engines[0]!.until(
          (m) =>
            m.type === 'stats' && m.stats.links[0]?.transport === (direct ? 'direct' : 'redis'),
        );
        if (told.type === 'stats')
          emit(`pipeline.${direct ? 'direct' : 'redis'}.round-trip`, told.stats.links[0]!.ms, 'ms');
      }
    }
    const one = median(times.get('one-worker.1')!) / ANSWER;
    for (const [key, values] of times) {
      const [name, count] = key.split('.') as [string, string];
      const ms = median(values);
      emit(`pipeline.${name}.${count}-sequences`, (1000 * ANSWER * Number(count)) / ms, 'tok/s');
      if (count === '1' && name !== 'one-worker')
        emit(`pipeline.${name}.overhead`, ms / ANSWER - one, 'ms/tok');
    }
    for (const [key, values] of shares) emit(`pipeline.${key}`, median(values), 'ratio');
  } finally {
    for (const engine of engines) await engine[Symbol.asyncDispose]();
  }
}

for (const frames of ['f32', 'f16'] as const) {
  const { hidden } = files.config;
  const member = { assignment: assignmentOf(false), index: 0 };
  const payload = packHidden(frames, new Float32Array(hidden), hidden);
  const groups = [{ cache: 1, position: 100, count: 1 }];
  const bytes = encodeFrame(frameOf(member, 'run', { payload, groups })).length;
  emit(`pipeline.${frames}.bytes`, bytes * STAGES, 'bytes/tok');
}

/** Logits of the last `count` positions, [count, vocab]. */
async function lastLogits(session: ModelSession, ids: number[], count: number) {
  const rows = Array.from({ length: count }, (_, i) => ids.length - count + i);
  const cache = session.createCache();
  const { logits } = await session.prefill(cache, { input: { ids }, rows });
  cache.free();
  return logits!;
}

/** Divergence of the second from the first, nats, and whether both have the same likeliest token. */
function compare(p: Float32Array, q: Float32Array): { kl: number; same: boolean } {
  const normal = (logits: Float32Array) => {
    const max = logits.reduce((a, b) => Math.max(a, b));
    const sum = logits.reduce((a, b) => a + Math.exp(b - max), 0);
    return max + Math.log(sum);
  };
  const [np, nq] = [normal(p), normal(q)];
  let kl = 0;
  for (let i = 0; i < p.length; i++) kl += Math.exp(p[i]! - np) * (p[i]! - np - (q[i]! - nq));
  return { kl, same: p.indexOf(Math.max(...p)) === q.indexOf(Math.max(...q)) };
}

const texts = (await readFile(conversations, 'utf8'))
  .trim()
  .split('\n')
  .filter((_, i) => i % NTH === 0);
if (part !== 'speed') {
  await divergence(whole, STAGES);
  await divergence(whole, files.config.layers);
}
if (part !== 'f16') await speeds();

async function divergence(reference: LoadedModel, count: number): Promise<void> {
  const { session } = reference;
  const split = cut(files.config.layers, count);
  await using pipeline = await startPipeline(reference, split, { slots: 2, frames: 'f16' });
  const tokenizer = createTokenizer(files);
  const template = createTemplate(files);
  const { vocab } = session.config;
  let kl = 0;
  let same = 0;
  let positions = 0;
  for (const text of texts) {
    const { q, a } = JSON.parse(text) as { q: string; a: string };
    const asked = [{ role: 'user' as const, content: q }];
    const options = { addGenerationPrompt: true, thinking: false };
    const question = tokenizer.encode(template.render(asked, options));
    const ids = [...question, ...tokenizer.encode(a)];
    const answered = ids.length - question.length;
    if (ids.length > MAX_FRAME_ROWS || answered < 1) continue;
    const p = await lastLogits(session, ids, answered);
    const r = await lastLogits(pipeline.session, ids, answered);
    for (let i = 0; i < answered; i++) {
      const row = (all: Float32Array) => all.subarray(i * vocab, (i + 1) * vocab);
      const compared = compare(row(p), row(r));
      kl += compared.kl;
      same += compared.same ? 1 : 0;
      positions++;
    }
  }
  emit(`pipeline.f16.${count}-stages.kl`, kl / positions, 'nats');
  emit(`pipeline.f16.${count}-stages.top1`, same / positions, 'ratio');
  emit(`pipeline.f16.${count}-stages.positions`, positions, 'positions');
}
