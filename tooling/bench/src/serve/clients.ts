/**
 * Clients of the product in a process of their own, asked over lines of JSON (../json-child.ts):
 *
 *   {"op":"ask","url","clients","ms","model","questions":[{"prompt","text"}],"tokens"}  Asking
 *   {"op":"batch","url","prompts","tokens"}                       Streamed for each prompt, asked together
 *   {"op":"open","url","ids"}     follows these answers; {"open": n} once each has sent something
 *   {"op":"close"}                {"broken": n}: streams that had ended by themselves
 */
import { type Agent, Agent as HttpAgent, type IncomingMessage, request } from 'node:http';
import { createInterface } from 'node:readline';
import { streamChat } from './chat-stream.ts';

export interface Question {
  prompt: string;
  /** The greedy answer, taken before. */
  text: string;
}

export interface Answered {
  client: number;
  firstMs: number;
  totalMs: number;
  tokens: number;
}

export interface Asking {
  answers: Answered[];
  /** Why, for answers with an error, or with another text than before. */
  failures: string[];
  /** From the first question to the last answer. */
  seconds: number;
  /** CPU time of this process. */
  cpuSeconds: number;
}

interface AskOptions {
  url: string;
  model: string;
  clients: number;
  ms: number;
  questions: Question[];
  tokens: number;
}

const TIMEOUT_MS = 300_000;

function post(url: string, agent: Agent, body: object): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const options = { agent, method: 'POST', headers: { 'content-type': 'application/json' } };
    request(url, { ...options, timeout: TIMEOUT_MS }, resolve)
      .on('error', reject)
      .end(JSON.stringify(body));
  });
}

/** The `data` of each event. */
async function* dataOf(response: IncomingMessage): AsyncGenerator<string> {
  response.setEncoding('utf8');
  let buffer = '';
  for await (const text of response) {
    buffer += text;
    const blocks = buffer.split('\n\n');
    buffer = blocks.pop() ?? '';
    for (const block of blocks) if (block.startsWith('data: ')) yield block.slice(6);
  }
}

/** One answer. @throws Error when it is not the expected one, token for token */
async function askOne(
  { url, model, tokens }: AskOptions,
  { prompt, text }: Question,
  agent: Agent,
): Promise<Omit<Answered, 'client'>> {
  const start = performance.now();
  const response = await post(`${url}/v1/chat/completions`, agent, {
    model,
    messages: [{ role: 'user', content: prompt }],
    max_tokens: tokens,
    temperature: 0,
    stream: true,
    stream_options: { include_usage: true },
  });
  let first = 0;
  let written = '';
  let completed = 0;
  let done = false;
  for await (const data of dataOf(response)) {
    if (data === '[DONE]') {
      done = true;
      continue;
    }
    const { choices, usage, error } = JSON.parse(data);
    if (error) throw new Error(`${error.code}: ${error.message}`);
    const content = choices[0]?.delta.content;
    if (content) {
      first ||= performance.now();
      written += content;
    }
    completed = usage?.completion_tokens ?? completed;
  }
  if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}`);
  if (!done) throw new Error('the stream broke off');
  if (written !== text) throw new Error(`another text: ${JSON.stringify({ text, written })}`);
  const end = performance.now();
  return { firstMs: first - start, totalMs: end - start, tokens: completed };
}

async function ask(options: AskOptions): Promise<Asking> {
  const { clients, ms, questions } = options;
  const agent = new HttpAgent({ keepAlive: true, maxSockets: clients });
  const answers: Answered[] = [];
  const failures: string[] = [];
  const cpu = process.cpuUsage();
  const start = performance.now();
  const run = async (client: number) => {
    for (let turn = 0; performance.now() - start < ms; turn++) {
      const question = questions[(client * 7 + turn) % questions.length]!;
      try {
        answers.push({ client, ...(await askOne(options, question, agent)) });
      } catch (error) {
        failures.push((error as Error).message);
        if (failures.length > 10 * clients) return;
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, client) => run(client)));
  agent.destroy();
  const { user, system } = process.cpuUsage(cpu);
  return {
    answers,
    failures,
    seconds: (performance.now() - start) / 1000,
    cpuSeconds: (user + system) / 1e6,
  };
}

class Followers {
  readonly #open = new Set<IncomingMessage>();
  #broken = 0;
  readonly #agent = new HttpAgent({ maxSockets: Number.POSITIVE_INFINITY });

  /** Resolves when each stream has sent its first event. */
  async open(url: string, ids: readonly string[]): Promise<{ open: number }> {
    const each = ids.map(
      (id) =>
        new Promise<void>((resolve, reject) => {
          const path = `${url}/chat/stream?id=${id}`;
          request(path, { agent: this.#agent }, (response) => {
            if (response.statusCode !== 200) reject(new Error(`status ${response.statusCode}`));
            this.#open.add(response);
            response.once('data', () => resolve());
            response.resume();
            response.once('close', () => {
              if (this.#open.has(response)) this.#broken++;
            });
          })
            .on('error', reject)
            .end();
        }),
    );
    await Promise.all(each);
    return { open: this.#open.size };
  }

  close(): { broken: number } {
    const broken = this.#broken;
    const closed = [...this.#open];
    this.#open.clear();
    this.#broken = 0;
    for (const response of closed) response.destroy();
    return { broken };
  }
}

interface BatchOptions {
  url: string;
  prompts: string[];
  tokens: number;
}

const batch = ({ url, prompts, tokens }: BatchOptions) =>
  Promise.all(prompts.map((prompt) => streamChat(url, prompt, tokens)));

const followers = new Followers();

function answer(line: string): Promise<unknown> | object {
  const { op, ...options } = JSON.parse(line);
  if (op === 'ask') return ask(options as AskOptions);
  if (op === 'batch') return batch(options as BatchOptions);
  if (op === 'open') return followers.open(options.url, options.ids);
  if (op === 'close') return followers.close();
  throw new RangeError(`no ${op}`);
}

console.log('{}');
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(await answer(line)));
}
