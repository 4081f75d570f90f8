/**
 * Time to the first token in each turn of a conversation, for `npm run bench -- waits`. Each turn's prompt is all
 * that was said before and a question; questions and answers have the same lengths in all turns.
 *
 * Arguments: checkpoint, threads (0: cores), rounds. Each line of the output is `{name, value, unit}`.
 */
import { availableParallelism } from 'node:os';
import { prefillChunk } from '../src/engine/prefill-chunks.ts';
import { jobOf, startLoop } from '../test/support/loop.ts';
import { GREEDY, kvMemory, loadModel } from '../test/support/models.ts';

const SLOTS = 4;
const TURNS = 6;
/** Tokens. Question and answer are whole chunks together, so that every turn reads as many. */
const BEGINNING = 300;
const QUESTION = 64;
const ANSWER = 64;

const [checkpoint, threadCount, rounds] = process.argv.slice(2);
if (!checkpoint || !rounds) throw new Error('see the head of this file');
const threads = Number(threadCount) || availableParallelism();
const emit = (name: string, value: number, unit: string) =>
  console.log(JSON.stringify({ name, value, unit }));
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;
const text = (length: number, seed: number) =>
  Array.from({ length }, (_, i) => 300 + ((i * 37 + seed * 101) % 4000));

await using model = await loadModel(checkpoint, { slots: SLOTS, threads, format: 'q4' });
const chunk = prefillChunk(model.session.config, 0);
const firstMs: number[][] = Array.from({ length: TURNS }, () => []);
const read: number[] = [];
for (let round = 0; round < Number(rounds); round++) {
  // Of a round of its own: what another one said is not there.
  const memory = kvMemory(model.session);
  let history = text(BEGINNING, round);
  for (let turn = 0; turn < TURNS; turn++) {
    const prompt = [...history, ...text(QUESTION, 7 + turn)];
    // Sampled, so that no turn gains by guesses.
    const params = { ...GREEDY, temperature: 1, seed: turn, maxTokens: ANSWER };
    const request = jobOf({ prompt, params });
    const start = performance.now();
    let first = 0;
    const { loop, events, tokens } = startLoop(model, {
      memory,
      onEvent(event) {
        if (event.type === 'tokens' && first === 0) first = performance.now() - start;
      },
    });
    loop.submit(request);
    await loop.drain();
    if (events.at(-1)?.type !== 'done') throw new Error(JSON.stringify(events.at(-1)));
    // The first event comes behind a whole chunk: no turn has less to read.
    const begun = events.find(({ type }) => type === 'prefill');
    if (begun?.type === 'prefill') read[turn] = begun.total - begun.done + chunk;
    firstMs[turn]!.push(first);
    history = [...prompt, ...tokens(request)];
  }
}
for (const [turn, times] of firstMs.entries()) {
  emit(`turns.${turn + 1}.first-token`, median(times), 'ms');
  emit(`turns.${turn + 1}.read`, read[turn]!, 'positions');
}
emit('turns.last-by-second', median(firstMs.at(-1)!) / median(firstMs[1]!), 'x');
