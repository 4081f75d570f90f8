/**
 * Eight clients on a model of a real size against the bare engine that decodes eight sequences together, on
 * the same machine, in turns.
 */
import { join } from 'node:path';
import { ROOT } from '@blyan/local/product';
import { median, type Result } from '../result.ts';
import { startBareEngine } from './bare-engine.ts';
import type { Streamed } from './chat-stream.ts';
import { genesisOf, RANDOM } from './models.ts';
import { type Measured, startClients } from './product.ts';

const CLIENTS = 8;
const TOKENS = 64;
const ROUNDS = 3;
const LEAST_RATIO = 0.9;
const PROMPTS = Array.from(
  { length: CLIENTS },
  (_, i) => `Question ${i + 1}: what do eight clients ask of one worker at the same time?`,
);

export async function benchBatch(
  { product, dataDir }: Measured,
  emit: (result: Result) => void,
): Promise<void> {
  await using clients = await startClients();
  await using engine = await startBareEngine({
    root: ROOT,
    mainUrl: product.url,
    genesis: await genesisOf(product.url),
    blobDir: join(dataDir, 'blobs'),
    model: RANDOM,
    slots: CLIENTS,
  });
  const ask = () => clients.batch({ url: product.url, prompts: PROMPTS, tokens: TOKENS });
  const warm = await ask();
  const ids = warm.map(({ promptTokens }, i) =>
    Array.from({ length: promptTokens }, (_, at) => 5 + ((at * 37 + i * 1009) % 4000)),
  );
  await engine.batch(ids, TOKENS);
  const bare: Rates[] = [];
  const http: Rates[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const runs = [
      async () => {
        const { firstMs, decodeMs } = await engine.batch(ids, TOKENS);
        bare.push({
          decode: (1000 * CLIENTS * (TOKENS - 1)) / decodeMs,
          whole: (1000 * CLIENTS * TOKENS) / (firstMs + decodeMs),
        });
      },
      async () => http.push(ratesOf(await ask())),
    ];
    for (const run of round % 2 ? runs.reverse() : runs) await run();
  }
  const add = (name: string, value: number, unit: string, bar?: Result['bar']) =>
    emit({ name: `clients-8.${name}`, value, unit, ...(bar && { bar }) });
  for (const of of ['decode', 'whole'] as const) {
    const ofBare = median(bare.map((rates) => rates[of]));
    const ofHttp = median(http.map((rates) => rates[of]));
    add(`engine.${of}`, ofBare, 'tokens/s');
    add(`http.${of}`, ofHttp, 'tokens/s');
    add(`ratio.${of}`, ofHttp / ofBare, 'x', of === 'decode' ? { least: LEAST_RATIO } : undefined);
  }
}

interface Rates {
  /** While all of them decode. */
  decode: number;
  /** From the questions to the last token. */
  whole: number;
}

function ratesOf(answers: Streamed[]): Rates {
  const begun = Math.max(...answers.map(({ marks }) => marks[0]!.at));
  const over = Math.min(...answers.map(({ marks }) => marks.at(-1)!.at));
  const asked = Math.min(...answers.map(({ marks, firstMs }) => marks[0]!.at - firstMs));
  const end = Math.max(...answers.map(({ marks }) => marks.at(-1)!.at));
  const all = answers.flatMap(({ marks }) => marks);
  const count = (marks: Streamed['marks']) => marks.reduce((sum, mark) => sum + mark.count, 0);
  return {
    decode: (1000 * count(all.filter(({ at }) => at > begun && at <= over))) / (over - begun),
    whole: (1000 * count(all)) / (end - asked),
  };
}
