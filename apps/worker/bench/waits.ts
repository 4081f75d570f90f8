/**
 * How long a running answer waits for its next tokens while long prompts are read beside it, for
 * `npm run bench -- waits`. Times are those at which the engine gives tokens out, so the batching of what
 * goes out is in them.
 *
 * Arguments: checkpoint, threads (0: cores). Each line of the output is `{name, value, unit}`.
 */
import { availableParallelism } from 'node:os';
import type { NodeJob } from '@blyan/protocol/node';
import { EngineLoop } from '../src/engine/loop.ts';
import { GREEDY, kvMemory, loadModel } from '../test/support/models.ts';

const SLOTS = 4;
/** Prompts that come one after the other while the answer is written. */
const PROMPTS = 6;
const PROMPT_TOKENS = 1500;
const ANSWER = 600;
const MODEL = 'ab'.repeat(32);

const [checkpoint, threadCount] = process.argv.slice(2);
if (!checkpoint) throw new Error('see the head of this file');
const threads = Number(threadCount) || availableParallelism();
const emit = (name: string, value: number, unit: string) =>
  console.log(JSON.stringify({ name, value, unit }));

await using model = await loadModel(checkpoint, { slots: SLOTS, threads });
const job = (name: string, length: number, maxTokens: number): NodeJob => ({
  requestId: `request-${name}`.padEnd(24, '0'),
  attempt: 1,
  model: MODEL,
  prompt: Array.from({ length }, (_, i) => 300 + ((i * 37 + length) % 4000)),
  emitted: [],
  params: { ...GREEDY, maxTokens },
  stopTokens: [],
  remainingMs: 600_000,
});
const answer = job('answer', 40, ANSWER);
const times: number[] = [];
let reading = 0;
const waits: number[] = [];
const loop = new EngineLoop(
  { model: MODEL, slots: SLOTS },
  {
    session: model.session,
    memory: kvMemory(model.session),
    emit(event) {
      if (event.type === 'done' && event.requestId !== answer.requestId) {
        reading--;
        if (submitted < PROMPTS) next();
      }
      if (event.type !== 'tokens' || event.requestId !== answer.requestId) return;
      const now = performance.now();
      const last = times.at(-1);
      times.push(now);
      if (last !== undefined && reading > 0) waits.push(now - last);
    },
  },
);
let submitted = 0;
function next(): void {
  submitted++;
  reading++;
  loop.submit(job(`prompt-${submitted}`, PROMPT_TOKENS + submitted, 1));
}
loop.submit(answer);
next();
await loop.drain();
waits.sort((a, b) => a - b);
const at = (share: number) => waits[Math.min(waits.length - 1, Math.floor(share * waits.length))]!;
emit('waits.median', at(0.5), 'ms');
emit('waits.p95', at(0.95), 'ms');
emit('waits.longest', at(1), 'ms');
emit('waits.count', waits.length, 'batches');
