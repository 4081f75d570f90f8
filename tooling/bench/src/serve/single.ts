/**
 * One client at a time: stage load against the session load inside it, and the speed of the whole path over
 * HTTP against the bare engine, which take turns on the same machine.
 */
import { join } from 'node:path';
import { ROOT } from '@blyan/local/product';
import { median, type Result } from '../result.ts';
import { type BareEngine, type Generation, startBareEngine } from './bare-engine.ts';
import { type Streamed, streamChat } from './chat-stream.ts';
import { genesisOf } from './models.ts';
import type { Measured } from './product.ts';

const ROUNDS = 5;
const LOADS = 3;
const ANSWER_TOKENS = 64;
/** Repeated to make a prompt of about 128 tokens with the embedded tokenizer. */
const SENTENCE = 'Blyan keeps the weights of its model in blocks that anyone can check. ';

/** @param label before the names of the figures */
export async function benchSingle(
  { product, dataDir }: Measured,
  { label, model }: { label: string; model: string },
  emit: (result: Result) => void,
): Promise<void> {
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
