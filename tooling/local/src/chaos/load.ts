/** Clients that ask all the time, and hold each answer against the one that nothing disturbed. */
import { type Followed, type FollowOptions, followChat } from '../following-client.ts';
import { pick } from './random.ts';

const PROMPTS = [
  'Tell me everything that you know about Blyan.',
  'What is a worker, and what may it not do?',
  'How can I check where an answer came from?',
  'Explain blocks, layers and tensors to somebody who knows none of them.',
];

/** The embedded model's tokens that end an answer, forbidden: answers are as long as asked for. */
export const ENDLESS = { '6130': -100, '6128': -100 };

interface Question {
  prompt: string;
  temperature: number;
  seed: number;
  max_tokens: number;
  logit_bias: Record<string, number>;
}

export interface Known {
  question: Question;
  answer: Followed;
}

export interface LoadResult {
  asked: number;
  /** Equal to the undisturbed answer, token for token. */
  equal: number;
  /** Ids of answers with another text, with why. */
  wrong: string[];
  /** With a gap, a repeat or a second end. */
  doubled: string[];
  /** No end in time. */
  lost: string[];
  /** Ended with an error, by code. */
  failed: Record<string, number>;
  /** Answers that moved to another attempt. */
  moved: number;
}

export const noResult = (): LoadResult => ({
  asked: 0,
  equal: 0,
  wrong: [],
  doubled: [],
  lost: [],
  failed: {},
  moved: 0,
});

/** Holds an answer against the undisturbed one. */
export function judge(followed: Followed, expected: Followed, result: LoadResult): void {
  const { id, endings, inOrder, text, tokens, retries } = followed;
  if (retries > 0) result.moved++;
  if (endings.length !== 1 || !inOrder) result.doubled.push(`${id}: ${endings}`);
  else if (endings[0]?.startsWith('error')) {
    result.failed[endings[0]] = (result.failed[endings[0]] ?? 0) + 1;
  } else if (text !== expected.text || tokens !== expected.tokens) {
    result.wrong.push(`${id}: ${tokens} tokens of ${expected.tokens}`);
  } else result.equal++;
}

/** Every question once, before anything is broken. */
export async function undisturbed(url: string, tokens: number): Promise<Known[]> {
  const known: Known[] = [];
  for (const [i, prompt] of PROMPTS.entries()) {
    for (const temperature of [0, 1.2]) {
      const question = {
        prompt,
        temperature,
        seed: 100 + i,
        max_tokens: tokens,
        logit_bias: ENDLESS,
      };
      known.push({ question, answer: await followChat(url, question) });
    }
  }
  return known;
}

/** Asks, and reads to the end; throws when there is none in time. */
type Asking = (question: Question, options: FollowOptions) => Promise<Followed>;

export class Load {
  readonly result = noResult();
  /** Answers that are written now. */
  readonly open = new Set<Followed>();
  readonly #asking: Asking;
  readonly #known: readonly Known[];
  readonly #random: () => number;
  #stopped = false;

  constructor(asking: Asking, known: readonly Known[], random: () => number) {
    this.#asking = asking;
    this.#known = known;
    this.#random = random;
  }

  /** One client; resolves when it has been told to stop and its last answer has ended. */
  async client(): Promise<void> {
    while (!this.#stopped) await this.#ask(pick(this.#known, this.#random));
  }

  stop(): void {
    this.#stopped = true;
  }

  async #ask({ question, answer }: Known): Promise<void> {
    const { result, open } = this;
    result.asked++;
    let current: Followed | null = null;
    try {
      const followed = await this.#asking(question, {
        onTokens: (soFar) => {
          current = soFar;
          open.add(soFar);
        },
      });
      judge(followed, answer, result);
    } catch (error) {
      result.lost.push((error as Error).message);
    } finally {
      if (current) open.delete(current);
    }
  }
}
