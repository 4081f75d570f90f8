/**
 * Llama.cpp through node-llama-cpp, behind the same lines of JSON as apps/worker/bench/compare.ts.
 *
 * Arguments: directory of the installed package, GGUF file, threads, `on` or `off` for flash attention.
 */
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';

/** What is used of node-llama-cpp; it is installed by the benchmark, not with our packages. */
interface Package {
  getLlama(options: object): Promise<Llama>;
}
interface Llama {
  loadModel(options: object): Promise<Model>;
  buildType: string;
  llamaCppRelease: { release: string };
}
interface Model {
  createContext(options: object): Promise<Context>;
}
interface Context extends AsyncDisposable {
  flashAttention: boolean | 'auto';
  currentThreads: number;
  getSequence(): Sequence;
}
interface Sequence {
  controlledEvaluate(input: unknown[]): Promise<({ next: { token?: number } } | undefined)[]>;
  eraseContextTokenRanges(ranges: { start: number; end: number }[]): Promise<void>;
  nextTokenIndex: number;
}
type BatchItems = readonly { tokens: readonly unknown[] }[];

type Command =
  | { op: 'prefill'; prompts: number[][] }
  | { op: 'decode'; steps: number }
  | { op: 'rewind'; length: number };

/** Positions that an answer may add to a prompt. */
const ROOM = 64;
const GREEDY = { generateNext: { token: true, options: { temperature: 0 } } };

const [dir, gguf, threadCount, flash] = process.argv.slice(2);
if (!dir || !gguf || !threadCount || !flash) throw new Error('see the head of this file');
const threads = Number(threadCount);
const entry = join(dir, 'node_modules/node-llama-cpp/dist/index.js');
const { getLlama } = (await import(pathToFileURL(entry).href)) as Package;
const llama = await getLlama({
  gpu: false,
  // The binary of the package for this platform or none: nothing is compiled or downloaded.
  build: 'never',
  skipDownload: true,
  progressLogs: false,
  logLevel: 'error',
  maxThreads: threads,
});
const loading = performance.now();
const model = await llama.loadModel({
  modelPath: gguf,
  gpuLayers: 0,
  ignoreMemorySafetyChecks: true,
});
const loadSeconds = (performance.now() - loading) / 1000;

let context: Context | null = null;
let contextFor = '';
let sequences: Sequence[] = [];
let next: number[] = [];
/** Sequences in the last batch that went to llama.cpp. */
let batched = 0;

/** Makes a context just large enough, unless the one at hand is of that size. */
async function contextOf(count: number, length: number): Promise<void> {
  const wanted = `${count} of ${length}`;
  if (contextFor === wanted) {
    for (const sequence of sequences) await truncate(sequence, 0);
    return;
  }
  await context?.[Symbol.asyncDispose]();
  context = await model.createContext({
    sequences: count,
    contextSize: length + ROOM,
    threads: { ideal: threads, min: threads },
    flashAttention: flash === 'on',
    ignoreMemorySafetyChecks: true,
    batching: {
      itemPrioritizationStrategy: ({ items, size }: { items: BatchItems; size: number }) => {
        batched = items.length;
        let left = size;
        return items.flatMap((item) => {
          const processAmount = Math.min(left, item.tokens.length);
          left -= processAmount;
          return processAmount > 0 ? [{ item, processAmount }] : [];
        });
      },
    },
  });
  contextFor = wanted;
  const made = context;
  sequences = Array.from({ length: count }, () => made.getSequence());
}

async function truncate(sequence: Sequence, length: number): Promise<void> {
  if (sequence.nextTokenIndex <= length) return;
  await sequence.eraseContextTokenRanges([{ start: length, end: sequence.nextTokenIndex }]);
}

/** Evaluates tokens of one sequence and samples behind the last. */
async function evaluate(sequence: Sequence, tokens: number[]): Promise<number> {
  const last = tokens.length - 1;
  const input = tokens.map((token, i) => (i === last ? [token, GREEDY] : token));
  const token = (await sequence.controlledEvaluate(input))[last]?.next.token;
  if (typeof token !== 'number') throw new Error('llama.cpp gave no token');
  return token;
}

async function answer(command: Command): Promise<object> {
  switch (command.op) {
    case 'rewind':
      for (const sequence of sequences) await truncate(sequence, command.length);
      return {};
    case 'prefill': {
      const { prompts } = command;
      await contextOf(prompts.length, Math.max(...prompts.map((prompt) => prompt.length)));
      const start = performance.now();
      next = await Promise.all(prompts.map((prompt, i) => evaluate(sequences[i]!, prompt)));
      return { ms: performance.now() - start };
    }
    case 'decode': {
      const ms: number[] = [];
      const tokens: number[][] = [];
      for (let step = 0; step < command.steps; step++) {
        const before = performance.now();
        // All at once: node-llama-cpp makes one batch of what is asked for in one turn of the loop.
        next = await Promise.all(next.map((token, i) => evaluate(sequences[i]!, [token])));
        ms.push(performance.now() - before);
        tokens.push(next);
        if (batched !== sequences.length) {
          throw new Error(`llama.cpp got ${batched} of ${sequences.length} sequences in a batch`);
        }
      }
      return { ms, tokens, threads: context?.currentThreads };
    }
  }
}

const { buildType, llamaCppRelease } = llama;
console.log(JSON.stringify({ loadSeconds, buildType, release: llamaCppRelease.release }));
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(JSON.parse(line) as Command)));
}
process.exit(0);
