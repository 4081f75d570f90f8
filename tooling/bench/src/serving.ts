/**
 * The whole product on real services: import rate, stage load against the session load inside it, and
 * the speed of the whole path over HTTP against the bare engine, which take turns on the same machine.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Product, ROOT, startProduct } from '@blyan/local/product';
import { type BareEngine, type Generation, startBareEngine } from './bare-engine.ts';
import { type Streamed, streamChat } from './http-client.ts';
import { QWEN3_0_6B, writeRandomCheckpoint } from './random-checkpoint.ts';
import { median, type Result } from './result.ts';

const EMBEDDED = 'blyan-guide';
const RANDOM = 'random-qwen3-0.6b-q4';
/** All questions come from one address here. */
const NO_LIMITS = { BLYAN_REQUESTS_PER_MINUTE: '0', BLYAN_TOKENS_PER_MINUTE: '0' };
const ROUNDS = 5;
const LOADS = 3;
const ANSWER_TOKENS = 64;
/** Repeated to make a prompt of about 128 tokens with the embedded tokenizer. */
const SENTENCE = 'Blyan keeps the weights of its model in blocks that anyone can check. ';

export async function benchServing(emit: (result: Result) => void, log: (line: string) => void) {
  const work = await mkdtemp(join(tmpdir(), 'blyan-bench-'));
  const dataDir = join(work, 'data');
  try {
    log('starting the product with the embedded model');
    {
      await using product = await startProduct({ dataDir, env: NO_LIMITS });
      await benchModel('embedded', EMBEDDED, product, dataDir, emit);
      const checkpoint = join(work, 'checkpoint');
      log('writing a random checkpoint of the Qwen3-0.6B shape');
      const { bytes } = await writeRandomCheckpoint(checkpoint, QWEN3_0_6B, {
        tokenizerDir: join(ROOT, 'models', EMBEDDED),
      });
      log('importing it as q4');
      for (const result of await benchImport(checkpoint, bytes, dataDir, product)) emit(result);
      await rm(checkpoint, { recursive: true });
    }
    log('starting the product with the random model');
    await using product = await startProduct({
      dataDir,
      env: { ...NO_LIMITS, BLYAN_MODEL: RANDOM },
    });
    await benchModel('qwen3-0.6b-q4', RANDOM, product, dataDir, emit);
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

/** The import command's rate, and that of only reading and hashing the same file. */
async function benchImport(
  checkpoint: string,
  bytes: number,
  dataDir: string,
  product: Product,
): Promise<Result[]> {
  const readStart = performance.now();
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(join(checkpoint, 'model.safetensors'), {
    highWaterMark: 1 << 20,
  })) {
    hash.update(chunk);
  }
  hash.digest();
  const readSeconds = (performance.now() - readStart) / 1000;
  const start = performance.now();
  const script = 'tooling/local/bootstrap.mjs';
  const child = spawn(
    process.execPath,
    [script, 'model:import', checkpoint, '--format', 'q4', '--name', RANDOM],
    {
      cwd: ROOT,
      env: { ...process.env, BLYAN_DATA_DIR: dataDir, PORT: String(product.port) },
      stdio: ['ignore', 'ignore', 'inherit'],
    },
  );
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`model:import ended with ${code}`);
  const seconds = (performance.now() - start) / 1000;
  const rate = bytes / 1e6 / seconds;
  const peer = bytes / 1e6 / readSeconds;
  return [
    { name: 'import.q4', value: rate, unit: 'MB/s' },
    { name: 'import.q4.peer-read-sha256', value: peer, unit: 'MB/s' },
  ];
}

async function benchModel(
  label: string,
  model: string,
  product: Product,
  dataDir: string,
  emit: (result: Result) => void,
) {
  await using engine = await startBareEngine({
    root: ROOT,
    mainUrl: product.url,
    genesis: await genesisOf(product.url),
    blobDir: join(dataDir, 'blobs'),
    model,
  });
  await benchLoad(label, engine, emit);
  const prompt = SENTENCE.repeat(7);
  const warm = await streamChat(product.url, prompt, ANSWER_TOKENS);
  const ids = Array.from({ length: warm.promptTokens }, (_, i) => 5 + ((i * 37) % 4000));
  await engine.generate(ids, ANSWER_TOKENS);
  const bare: Generation[] = [];
  const http: Streamed[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    // The order changes from round to round, so that neither always runs on the warmer machine.
    const runs = [
      async () => bare.push(await engine.generate(ids, ANSWER_TOKENS)),
      async () => http.push(await streamChat(product.url, prompt, ANSWER_TOKENS)),
    ];
    for (const run of round % 2 ? runs.reverse() : runs) await run();
  }
  const bareDecode = median(bare.map((g) => ((g.tokens - 1) * 1000) / g.decodeMs));
  const httpDecode = median(http.map((s) => (s.laterTokens * 1000) / s.decodeMs));
  const bareFirst = median(bare.map((g) => g.firstMs));
  const httpFirst = median(http.map((s) => s.firstMs));
  const add = (name: string, value: number, unit: string) =>
    emit({ name: `${label}.${name}`, value, unit });
  add('prompt', ids.length, 'tokens');
  add('engine.decode', bareDecode, 'tokens/s');
  add('engine.prefill', (ids.length * 1000) / bareFirst, 'tokens/s');
  add('engine.first-token', bareFirst, 'ms');
  add('http.decode', httpDecode, 'tokens/s');
  add('http.prefill', (ids.length * 1000) / httpFirst, 'tokens/s');
  add('http.first-token', httpFirst, 'ms');
  add('http.decode-ratio', httpDecode / bareDecode, 'x');
  add('http.first-token-added', httpFirst - bareFirst, 'ms');
}

async function benchLoad(label: string, engine: BareEngine, emit: (result: Result) => void) {
  const loads = [];
  for (let i = 0; i < LOADS; i++) loads.push(await engine.load());
  const stage = median(loads.map((load) => load.stage));
  const session = median(loads.map((load) => load.session));
  const megabytes = loads[0]!.bytes / 1e6;
  emit({ name: `${label}.load.weights`, value: megabytes, unit: 'MB' });
  emit({ name: `${label}.load.stage`, value: stage, unit: 's' });
  emit({ name: `${label}.load.session-alone`, value: session, unit: 's' });
  emit({ name: `${label}.load.ratio`, value: stage / session, unit: 'x' });
}

async function genesisOf(url: string): Promise<string> {
  const response = await fetch(`${url}/chain/A/block/0`);
  const { hash } = (await response.json()) as { hash: string };
  return hash;
}
