/**
 * A hundred clients that ask at once and go on asking: every answer is held against the one that was taken
 * before, alone and greedy. The model is the embedded one, the product as it is configured by default.
 */
import { join } from 'node:path';
import type { Result } from '../result.ts';
import { median, quantile } from '../result.ts';
import type { Asking, Question } from './clients.ts';
import { cpuSeconds, PARTS } from './cpu.ts';
import { EMBEDDED } from './models.ts';
import { type Measured, startClients } from './product.ts';

const CLIENTS = 100;
const TOKENS = 64;
const WARM_MS = 20_000;
const SUBJECTS = 'cat dog ship garden bird lamp fox river train baker robot king'.split(' ');
/** The embedded model answers these with more than 64 tokens. */
const PROMPTS = SUBJECTS.flatMap((subject) => [
  `Write a short story about a ${subject}.`,
  `Tell me a long story about a ${subject} and a friend.`,
]);
const BARS = { fairness: 2, loopDelayMs: 50, growthMb: 1 };
const PROFILED = ['web', 'coordinator', 'worker'] as const;

export interface ManyOptions {
  /** How long they ask. */
  ms: number;
  /** Where CPU profiles go; none are taken without. */
  profiles?: string | undefined;
}

export async function benchMany(
  measured: Measured,
  { ms, profiles }: ManyOptions,
  emit: (result: Result) => void,
  log: (line: string) => void,
): Promise<void> {
  const { product, pids } = measured;
  const { url } = product;
  const web = measured.probe('web');
  log(`taking ${PROMPTS.length} greedy answers, one after the other`);
  const questions: Question[] = [];
  for (const prompt of PROMPTS) questions.push(await greedy(url, prompt));
  await using clients = await startClients();
  const asking = { url, model: EMBEDDED, clients: CLIENTS, questions, tokens: TOKENS };
  log(`${CLIENTS} clients warm up for ${WARM_MS / 1000} s`);
  const warm = await clients.ask({ ...asking, ms: WARM_MS });
  // Nobody asks now, so the heap has no answers on their way in it, before and after.
  const before = await web.memory();
  const cpuBefore = await cpuSeconds(pids);
  if (profiles) for (const part of PROFILED) await measured.probe(part).startProfile();
  await web.watchLoop();
  log(`${CLIENTS} clients ask for ${ms / 1000} s`);
  const asked = await clients.ask({ ...asking, ms });
  const delay = await web.loopDelay();
  if (profiles) {
    for (const part of PROFILED)
      await measured.probe(part).writeProfile(join(profiles, `${part}.cpuprofile`));
  }
  const cpu = await cpuSeconds(pids);
  const after = await web.memory();

  for (const failure of [...warm.failures, ...asked.failures].slice(0, 5)) log(failure);
  const { answers } = asked;
  const tokens = answers.reduce((sum, answer) => sum + answer.tokens, 0);
  const short = answers.filter((answer) => answer.tokens !== TOKENS).length;
  const add = (name: string, value: number, unit: string, bar?: Result['bar']) =>
    emit({ name: `clients-100.${name}`, value, unit, ...(bar && { bar }) });
  add('answers', answers.length, 'answers', { least: 1 });
  add('failures', warm.failures.length + asked.failures.length + short, 'answers', { most: 0 });
  add('tokens', tokens / asked.seconds, 'tokens/s');
  add('first-token.p50', quantile(firsts(asked), 0.5), 'ms');
  add('first-token.p95', quantile(firsts(asked), 0.95), 'ms');
  add(
    'answer.p50',
    quantile(
      answers.map(({ totalMs }) => totalMs),
      0.5,
    ),
    'ms',
  );
  add('slowest-client', slowest(asked), 'x', { most: BARS.fairness });
  add('web.loop-delay.p50', delay.p50, 'ms');
  add('web.loop-delay.p99', delay.p99, 'ms', { most: BARS.loopDelayMs });
  add('web.loop-delay.max', delay.max, 'ms');
  const growth = (1000 * (after.heapUsed - before.heapUsed)) / answers.length / 1e6;
  add('web.heap-growth', growth, 'MB/1000 requests', { most: BARS.growthMb });
  add('web.heap', after.heapUsed / 1e6, 'MB');
  add('web.rss', after.rss / 1e6, 'MB');
  for (const part of PARTS)
    add(`cpu.${part}`, (1e6 * (cpu[part] - cpuBefore[part])) / tokens, 'us/token');
  add('cpu.clients', (1e6 * asked.cpuSeconds) / tokens, 'us/token');
}

const firsts = ({ answers }: Asking) => answers.map(({ firstMs }) => firstMs);

/** Mean time of an answer of the slowest client, over the median of all clients' means. */
function slowest({ answers }: Asking): number {
  const byClient = new Map<number, number[]>();
  for (const { client, totalMs } of answers)
    byClient.set(client, [...(byClient.get(client) ?? []), totalMs]);
  const means = [...byClient.values()].map(
    (times) => times.reduce((sum, ms) => sum + ms, 0) / times.length,
  );
  return Math.max(...means) / median(means);
}

async function greedy(url: string, prompt: string): Promise<Question> {
  const response = await fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      model: EMBEDDED,
      messages: [{ role: 'user', content: prompt }],
      max_tokens: TOKENS,
      temperature: 0,
    }),
    signal: AbortSignal.timeout(60_000),
  });
  if (!response.ok)
    throw new Error(`a question alone: ${response.status} ${await response.text()}`);
  const { choices, usage } = (await response.json()) as {
    choices: { message: { content: string } }[];
    usage: { completion_tokens: number };
  };
  if (usage.completion_tokens !== TOKENS)
    throw new Error(`"${prompt}" is answered with ${usage.completion_tokens} tokens`);
  return { prompt, text: choices[0]!.message.content };
}
