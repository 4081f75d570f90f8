/** Deleting means deleting: afterwards nothing of it is in PostgreSQL or Redis, whatever was being done. */
import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import pg from 'pg';
import { describe, expect, test, vi } from 'vitest';
import { accessOf } from '../../../src/extra-parts.ts';
import type { ClientContext } from './support.ts';

const newId = () => randomBytes(18).toString('base64url');

/** All that PostgreSQL and Redis have, as text, each with where it is. */
async function openStores(dataDir: string) {
  const { databaseUrl, redisUrl } = await accessOf(dataDir);
  const database = new pg.Client({ connectionString: databaseUrl });
  await database.connect();
  const redis = new Redis(redisUrl);
  const valueAt = async (key: string): Promise<unknown> => {
    switch (await redis.type(key)) {
      case 'string':
        return redis.get(key);
      case 'hash':
        return redis.hgetall(key);
      case 'list':
        return redis.lrange(key, 0, -1);
      case 'set':
        return redis.smembers(key);
      case 'zset':
        return redis.zrange(key, '0', '-1');
      case 'stream':
        return redis.xrange(key, '-', '+');
      default:
        // Gone since it was listed.
        return null;
    }
  };
  const { rows: tables } = await database.query<{ name: string }>(
    `SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'`,
  );
  return {
    redis,
    async everything(): Promise<[where: string, text: string][]> {
      const found: [string, string][] = [];
      for (const { name } of tables) {
        const { rows } = await database.query<{ text: string }>(
          `SELECT t::text AS text FROM ${name} t`,
        );
        for (const { text } of rows) found.push([name, text]);
      }
      for (const key of await redis.keys('*'))
        found.push([key, `${key} ${JSON.stringify(await valueAt(key))}`]);
      return found;
    },
    async [Symbol.asyncDispose]() {
      redis.disconnect();
      await database.end();
    },
  };
}

/** A browser: it has its cookie, and conversations of one question each. */
function newBrowser(url: string) {
  let cookie = '';
  const call = async (path: string, input: object) => {
    const response = await fetch(`${url}/api/trpc/conversations.${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: url, cookie },
      body: JSON.stringify({ json: input }),
    });
    const text = await response.text();
    expect(response.status, text).toBe(200);
    cookie = response.headers.get('set-cookie')?.split(';')[0] ?? cookie;
  };
  return {
    call,
    async ask(text: string, maxTokens: number) {
      const [conversation, question, answer] = [newId(), newId(), newId()];
      const settings = { temperature: 2, max_tokens: maxTokens };
      const asked = { parent: null, question: { id: question, text }, answer, settings };
      await call('ask', { conversation, ...asked });
      return { conversation, question, answer, text };
    },
  };
}

export function erasingTests(context: ClientContext): void {
  describe('deleting all conversations', () => {
    test('leaves nothing of an answer that ended, that is written, or that waits', async () => {
      await using stores = await openStores(context.dataDir());
      const url = context.apiUrl().replace(/\/api\/v1$/, '');
      const [browser, other] = [newBrowser(url), newBrowser(url)];
      const kept = await other.ask('Which harbour has the pelican?', 4);
      const ended = await browser.ask('Where does the walrus sleep?', 4);
      const written = (id: string) => stores.redis.xlen(`gen:${id}`);
      const finished = async (id: string) =>
        JSON.stringify(await stores.redis.xrevrange(`gen:${id}`, '+', '-', 'COUNT', 1)).includes(
          'finish',
        );
      for (const { answer } of [kept, ended])
        await vi.waitFor(async () => expect(await finished(answer)).toBe(true), 10_000);

      using _slow = await context.slow();
      const running = [];
      for (let i = 0; i < context.slots; i++)
        running.push(await browser.ask(`How heavy is ostrich number ${i}?`, 1500));
      for (const { answer } of running)
        await vi.waitFor(async () => expect(await written(answer)).toBeGreaterThan(4), 20_000);
      const queued = await browser.ask('Who painted the flamingo?', 1500);
      expect(await context.queued()).toBe(1);

      const deleted = [ended, ...running, queued];
      const ids = deleted.flatMap(({ conversation, question, answer }) => [
        ...[conversation, question, answer],
      ]);
      // As ids of the prompt, which is in a queue, and of what was written: by the answer that they are of.
      const marks = [...ids, 'walrus', 'ostrich', 'flamingo'];
      const found = async (wanted: string[]) => {
        const everything = await stores.everything();
        return wanted.flatMap((mark) =>
          everything
            .filter(([, text]) => text.includes(mark))
            .map(([where]) => `${mark}: ${where}`),
        );
      };
      const before = await found(marks);
      for (const mark of marks)
        expect(
          before.some((line) => line.startsWith(mark)),
          mark,
        ).toBe(true);
      // What is looked for is where it is known to be.
      const [first] = running;
      expect(before).toContain(`${first?.answer}: gen:${first?.answer}`);
      expect(before.filter((line) => /: blyan:node:.*:jobs:/.test(line))).not.toEqual([]);
      expect(before.filter((line) => /: blyan:node:.*:out$/.test(line))).not.toEqual([]);

      await browser.call('deleteAll', {});
      await vi.waitFor(async () => expect(await found(marks)).toEqual([]), {
        timeout: 20_000,
        interval: 500,
      });
      const { conversation, question, answer } = kept;
      const left = await found([conversation, question, answer, 'pelican']);
      expect(left).toContain(`pelican: "Message"`);
      expect(left).toContain(`${answer}: gen:${answer}`);
    });
  });
}
