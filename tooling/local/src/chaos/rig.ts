/** A running product whose own worker rests, workers beside it that may be broken, and one who asks. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Redis } from 'ioredis';
import pg from 'pg';
import { type ExtraPart, extraParts, slowed } from '../extra-parts.ts';
import { type Followed, followChat } from '../following-client.ts';
import type { Product } from '../product.ts';
import { ENDLESS } from './load.ts';

/** What ends an answer is forbidden, so that this one is long enough to be disturbed. */
export const QUESTION = {
  prompt: 'Tell me everything that you know about Blyan.',
  temperature: 1.5,
  seed: 7,
  max_tokens: 120,
  logit_bias: ENDLESS,
};
/** Of the engines' time until something breaks: an answer takes seconds then, not a tenth of one. */
const SHARE = 0.08;
/** A worker is started, reads its layers and connects to its neighbours in seconds. */
const SERVING_MS = 120_000;

export interface Fault {
  /** Breaks something; gets the answer as far as it is written. */
  breaks(soFar: Followed): Promise<void>;
  /** At once behind it. */
  mends?(): Promise<void>;
}

export interface Disturbed {
  answer: Followed;
  /** The longest wait of a reader from the fault on: what was on its way still came. */
  recoveryMs: number;
}

export class Rig implements AsyncDisposable {
  /** Those that serve; whoever sets them starts and stops them. */
  workers: readonly ExtraPart[] = [];
  /** Workers that are frozen: nobody wakes their engines. */
  readonly frozen = new Set<ExtraPart>();
  readonly parts: Awaited<ReturnType<typeof extraParts>>;
  /** The answer to QUESTION when nothing breaks. */
  readonly undisturbed: Followed;
  readonly db: pg.Pool;
  readonly #redis: Redis;
  readonly #url: string;
  readonly #slow: Disposable;
  #share = SHARE;

  private constructor(
    { url }: Pick<Product, 'url'>,
    parts: Awaited<ReturnType<typeof extraParts>>,
    undisturbed: Followed,
  ) {
    this.parts = parts;
    this.undisturbed = undisturbed;
    this.#url = url;
    this.db = new pg.Pool({ connectionString: parts.access.databaseUrl, max: 2 });
    this.db.on('error', () => undefined);
    this.#redis = new Redis(parts.access.redisUrl);
    this.#redis.on('error', () => undefined);
    const engines = async () => {
      const awake = this.workers.filter((worker) => !this.frozen.has(worker));
      return (await Promise.all(awake.map((worker) => worker.helpers()))).flat();
    };
    this.#slow = slowed(engines, () => this.#share);
  }

  static async open(product: Product, dataDir: string): Promise<Rig> {
    const parts = await extraParts(product, dataDir);
    const rig = new Rig(product, parts, await followChat(product.url, QUESTION));
    // The product's own worker is started again by its supervisor, later each time: others by us, at once.
    await rig.db.query('UPDATE "Node" SET draining = true');
    return rig;
  }

  /** Waits until so many of the workers may be given answers. */
  async untilServing(count: number): Promise<void> {
    const serving = async () => {
      const text = (await this.#redis.get('blyan:cluster').catch(() => null)) ?? '{"nodes":[]}';
      const { nodes } = JSON.parse(text) as { nodes: { id: string; serving: boolean }[] };
      const ours = new Set(this.workers.map(({ name }) => name));
      return nodes.filter(({ id, serving }) => serving && ours.has(id)).length;
    };
    const until = performance.now() + SERVING_MS;
    while ((await serving()) < count) {
      if (performance.now() > until) throw new Error(`not ${count} workers serve`);
      await sleep(50);
    }
  }

  /** Asks, and breaks nothing. */
  ask(): Promise<Followed> {
    return followChat(this.#url, QUESTION);
  }

  /** Asks, and breaks something once so many tokens are there. */
  async disturbed(at: number, { breaks, mends }: Fault): Promise<Disturbed> {
    let done: Promise<void> | null = null;
    let began = 0;
    this.#share = SHARE;
    const fault = async (soFar: Followed) => {
      await breaks(soFar);
      // From now on it is the recovery that is timed, not an engine that was slowed down.
      this.#share = 1;
      await mends?.();
    };
    const answer = await followChat(this.#url, QUESTION, {
      onTokens: (soFar) => {
        if (done || soFar.tokens < at) return;
        began = performance.now();
        done = fault(soFar);
      },
    });
    if (!done) throw new Error(`an answer of ${answer.tokens} tokens was not broken at ${at}`);
    await done;
    const times = [began, ...answer.times.filter((time) => time > began)];
    const waits = times.slice(1).map((time, i) => time - times[i]!);
    return { answer, recoveryMs: Math.round(Math.max(...waits)) };
  }

  /** The workers of an answer's latest attempt, the head first. */
  async membersOf(id: string): Promise<ExtraPart[]> {
    const { rows } = await this.db.query<{ nodeId: string; stages: { nodeId: string }[] | null }>(
      'SELECT "nodeId", stages FROM "Attempt" WHERE "requestId" = $1 ORDER BY attempt DESC LIMIT 1',
      [id],
    );
    const names = rows.flatMap(({ nodeId, stages }) => stages?.map((s) => s.nodeId) ?? [nodeId]);
    const members = names.map((name) => this.workers.find((worker) => worker.name === name));
    return members.map((member) => {
      if (!member) throw new Error(`somebody else writes ${id}: ${names}`);
      return member;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#slow[Symbol.dispose]();
    // It wakes all engines before it ends.
    await sleep(100);
    await Promise.all(this.workers.map((worker) => worker.stop()));
    await this.db.end();
    this.#redis.disconnect();
  }
}
