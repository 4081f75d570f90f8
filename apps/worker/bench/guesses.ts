/**
 * What guessing gives, for `npm run bench -- waits`: an answer that repeats itself, and one that does not, with
 * guesses and without, in turns.
 *
 * Arguments: checkpoint, threads (0: cores), rounds, tokens of an answer. Each line of the output is
 * `{name, value, unit}`.
 */
import { availableParallelism } from 'node:os';
import { jobOf, startLoop } from '../test/support/loop.ts';
import { GREEDY, type LoadedModel, loadModel } from '../test/support/models.ts';

const [checkpoint, threadCount, rounds, answer] = process.argv.slice(2);
if (!checkpoint || !rounds || !answer) throw new Error('see the head of this file');
const threads = Number(threadCount) || availableParallelism();
const emit = (name: string, value: number, unit: string) =>
  console.log(JSON.stringify({ name, value, unit }));
const median = (values: number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!;

await using model = await loadModel(checkpoint, { threads, format: 'q4' });
const { session } = model;
/** Where nothing has room behind a cache, nothing is guessed. */
const silent: LoadedModel = {
  ...model,
  session: new Proxy(session, {
    get(target, name) {
      if (name === 'room') return () => 0;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  }),
};

const sentence = [310, 511, 92, 731, 88, 1203, 45, 609];
const TEXTS = {
  // Greedy behind a repeated sentence: it goes on repeating.
  repeating: { prompt: Array.from({ length: 35 }, (_, i) => sentence[i % 8]!), params: GREEDY },
  // By chance alone: endings that were there before go on in another way.
  random: {
    prompt: Array.from({ length: 35 }, (_, i) => 300 + i * 37),
    params: {
      ...GREEDY,
      // What the model prefers is lost, the bias is not.
      temperature: 10,
      seed: 3,
      // Ten symbols, so that every ending was there before and a guess is always at hand.
      logitBias: Array.from({ length: 10 }, (_, i): [number, number] => [1000 + i, 100]),
    },
  },
};

for (const [name, { prompt, params }] of Object.entries(TEXTS)) {
  const times = { with: [] as number[], without: [] as number[] };
  const answers = new Set<string>();
  for (let round = 0; round < Number(rounds); round++) {
    for (const [kind, served] of [
      ['with', model],
      ['without', silent],
    ] as const) {
      const request = jobOf({ prompt, params: { ...params, maxTokens: Number(answer) } });
      const { loop, events, tokens } = startLoop(served);
      loop.submit(request);
      await loop.drain();
      const end = events.at(-1);
      if (end?.type !== 'done') throw new Error(JSON.stringify(end));
      times[kind].push(end.decodeMs);
      answers.add(tokens(request).join());
    }
  }
  if (answers.size !== 1) throw new Error(`${name}: guesses changed the answer`);
  const rate = (ms: number[]) => (1000 * (Number(answer) - 1)) / median(ms);
  emit(`guesses.${name}.with`, rate(times.with), 'tokens/s');
  emit(`guesses.${name}.without`, rate(times.without), 'tokens/s');
  // Of each round: what slows one slows both.
  const ratios = times.without.map((ms, i) => ms / times.with[i]!);
  emit(`guesses.${name}.gain`, median(ratios), 'x');
}
