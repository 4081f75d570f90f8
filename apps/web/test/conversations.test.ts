/** Conversations on a real database and a real Redis; that they are answered is for the browser's tests. */
import { randomBytes } from 'node:crypto';
import { createTestDatabase, type TestDatabase } from '@blyan/db/testing';
import type { Receipt } from '@blyan/protocol/answer';
import { NEUTRAL } from '@blyan/protocol/sampling';
import { disconnect } from '@blyan/queue/connection';
import { INTAKE_PREFIX, INTAKE_QUEUE } from '@blyan/queue/names';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import { readConfig } from '../src/env.ts';
import { type Context, createContext } from '../src/server/context.ts';
import { askIn, turnsBefore } from '../src/server/conversations/ask.ts';
import { eraseConversations } from '../src/server/conversations/erase.ts';
import { exportConversation } from '../src/server/conversations/export.ts';
import {
  listConversations,
  type MessageView,
  readConversation,
  readShared,
} from '../src/server/conversations/read.ts';
import { openSession, type Session } from '../src/server/session.ts';
import { readModel, serve, withModel } from './asking.ts';

let database: TestDatabase;
let ctx: Context;

beforeAll(async () => {
  database = await createTestDatabase(inject('databaseUrl'));
  const redis = new URL(inject('redisUrl'));
  redis.pathname = '/10';
  const config = readConfig({
    DATABASE_URL: database.url,
    REDIS_URL: redis.href,
    BLYAN_LOG_LEVEL: 'silent',
  });
  ctx = withModel(createContext(config), await readModel());
  await ctx.redis.flushdb();
});
afterAll(async () => {
  await ctx.intake[Symbol.asyncDispose]();
  await ctx.answers[Symbol.asyncDispose]();
  await disconnect(ctx.redis);
  await ctx.db.$disconnect();
  await database[Symbol.asyncDispose]();
});

const newId = () => randomBytes(18).toString('base64url');

function newSession(): { session: Session; cookie: string } {
  let cookie = '';
  const session = openSession(null, {
    secure: true,
    setCookie: (set) => {
      cookie = set;
    },
  });
  session.begin();
  return { session, cookie };
}

interface Made {
  question?: string;
  answer?: string;
  status?: 'running' | 'completed';
  updatedAt?: Date;
}

async function converse(
  session: Session,
  made: Made = {},
): Promise<{ id: string; answer: string }> {
  const [id, question, answer] = [newId(), newId(), newId()];
  const text = made.question ?? 'What is a block?';
  await ctx.db.request.create({
    data: {
      id: answer,
      model: Buffer.alloc(32, 1),
      prompt: [1],
      params: { ...NEUTRAL, maxTokens: 8, temperature: 0, seed: 1 },
      stop: [],
      deadline: new Date(Date.now() + 60_000),
      status: made.status ?? 'completed',
      text: made.answer ?? 'A list of changes.',
      output: [1, 2],
    },
  });
  await ctx.redis.xadd(`gen:${answer}`, '1-0', 'e', '{}');
  const messages = [
    { id: question, role: 'user' as const, text, createdAt: new Date(1) },
    { id: answer, parentId: question, role: 'assistant' as const, requestId: answer },
  ];
  await ctx.db.conversation.create({
    data: {
      id,
      owner: session.begin(),
      title: text,
      settings: { temperature: 0 },
      head: answer,
      updatedAt: made.updatedAt ?? new Date(),
      messages: { create: messages },
    },
  });
  return { id, answer };
}

function receiptOf(requestId: string): Receipt {
  const hash = 'ab'.repeat(32);
  const block = { chain: 'A' as const, height: 1, hash };
  return {
    v: 1,
    requestId,
    genesis: hash,
    model: { name: 'm', block },
    layerBlocks: [{ ...block, chain: 'B', group: 'embedding' }],
    nodes: [],
    params: { ...NEUTRAL, maxTokens: 8, temperature: 0, seed: 1 },
    tokens: { salt: hash, hash },
    usage: { promptTokens: 1, completionTokens: 2 },
    finishReason: 'stop',
    timings: { queuedMs: 1, firstTokenMs: 1, totalMs: 1, tokensPerSecond: null },
    createdAt: 1,
  };
}

describe('the session of a browser', () => {
  test('is a cookie that scripts and other sites do not get', () => {
    const { session, cookie } = newSession();
    expect(cookie).toMatch(/^blyan-session=[\w-]{43}; .*HttpOnly; SameSite=Lax; Secure$/);
    const again = openSession(`a=b; ${cookie.split(';')[0]}`, {
      secure: false,
      setCookie: () => undefined,
    });
    expect(again.owner).toEqual(session.owner);
  });

  test.each(['blyan-session=short', 'blyan-session', '', 'xblyan-session=1'])(
    '%j is none',
    (text) => {
      expect(openSession(text, { secure: false, setCookie: () => undefined }).owner).toBeNull();
    },
  );
});

describe('conversations', () => {
  test('are read by their browser, and by nobody else', async () => {
    const { session } = newSession();
    const { id, answer } = await converse(session);
    const read = await readConversation(id, session, ctx);
    expect(read).toMatchObject({
      title: 'What is a block?',
      head: answer,
      settings: { temperature: 0 },
    });
    expect(read.messages.map(({ role, text }) => [role, text])).toEqual([
      ['user', 'What is a block?'],
      ['assistant', 'A list of changes.'],
    ]);
    const missing = expect.objectContaining({ status: 404 });
    await expect(readConversation(id, newSession().session, ctx)).rejects.toThrow(missing);
    await expect(eraseConversations([id], newSession().session, ctx)).resolves.toBe(0);
    expect(await readConversation(id, session, ctx)).toEqual(read);
  });

  test('are found by what was asked and answered; wildcards are characters', async () => {
    const { session } = newSession();
    await converse(session, { question: 'How tall is 100% of it?' });
    await converse(session, { question: 'Another one', answer: 'Nothing but HASHES.' });
    await converse(newSession().session, { question: 'hashes of somebody else' });
    const find = async (search: string) =>
      (await listConversations({ search }, session, ctx)).items.map(({ title }) => title);
    expect(await find('hashes')).toEqual(['Another one']);
    expect(await find('TALL')).toEqual(['How tall is 100% of it?']);
    expect(await find('0%')).toEqual(['How tall is 100% of it?']);
    expect(await find('_')).toEqual([]);
    expect(await find('')).toHaveLength(2);
  });

  test('are listed newest first, page by page', async () => {
    const { session } = newSession();
    for (let i = 0; i < 45; i++)
      await converse(session, { question: `No. ${i}`, updatedAt: new Date(1e12 + i) });
    const first = await listConversations({ search: '' }, session, ctx);
    expect(first.items[0]?.title).toBe('No. 44');
    const rest = await listConversations({ search: '', before: first.next! }, session, ctx);
    expect(first.items.length + rest.items.length).toBe(45);
    expect(rest.next).toBeNull();
  });

  test('a link shows what is written, until it is taken back', async () => {
    const { session } = newSession();
    const { id, answer } = await converse(session, { status: 'running' });
    await ctx.db.conversation.update({ where: { id }, data: { shareToken: `share-${id}` } });
    const shared = await readShared(`share-${id}`, ctx);
    expect(shared.messages.map(({ role }) => role)).toEqual(['user']);
    expect(JSON.stringify(shared)).not.toContain(id);
    // Nothing by which to read on when the link is gone.
    const data = { status: 'completed', receipt: receiptOf(answer) } as const;
    await ctx.db.request.update({ where: { id: answer }, data });
    const whole = await readShared(`share-${id}`, ctx);
    expect(whole.messages[1]?.answer?.provenance).toMatchObject({ seed: 1, receipt: null });
    for (const known of (await readConversation(id, session, ctx)).messages)
      expect(JSON.stringify(whole)).not.toContain(known.id);
    await ctx.db.conversation.update({ where: { id }, data: { shareToken: null } });
    await expect(readShared(`share-${id}`, ctx)).rejects.toMatchObject({ status: 404 });
  });

  test('a link shows the branch that is read, and nothing that was replaced', async () => {
    const { session } = newSession();
    const { id, answer } = await converse(session, { question: 'Edited away?' });
    const branch = await converse(session, { question: 'Asked instead?' });
    const moved = { conversationId: id, createdAt: new Date() };
    await ctx.db.message.updateMany({ where: { conversationId: branch.id }, data: moved });
    const share = async (head: string) => {
      const shareToken = `share-${id}`;
      await ctx.db.conversation.update({ where: { id }, data: { shareToken, head } });
      return (await readShared(shareToken, ctx)).messages.map(({ text }) => text);
    };
    expect(await share(branch.answer)).toEqual(['Asked instead?', 'A list of changes.']);
    expect(await share(answer)).toEqual(['Edited away?', 'A list of changes.']);
    // The newest message is on another branch than the answer that is being written.
    await ctx.db.request.update({ where: { id: answer }, data: { status: 'running' } });
    expect(await share(answer)).toEqual(['Edited away?']);
    expect(await share('no-such-message')).toEqual([]);
  });

  test('deleting leaves no row and no stream; what is being written is stopped first', async () => {
    const { session } = newSession();
    const [ended, open, other] = [
      await converse(session),
      await converse(session, { status: 'running' }),
      await converse(newSession().session),
    ];
    expect(await eraseConversations('all', session, ctx)).toBe(2);
    expect(
      await ctx.db.message.count({ where: { conversationId: { in: [ended.id, open.id] } } }),
    ).toBe(0);
    expect(await ctx.db.request.findUnique({ where: { id: ended.answer } })).toBeNull();
    expect(await ctx.redis.exists(`gen:${ended.answer}`)).toBe(0);
    // The coordinator ends it and deletes it then.
    expect(await ctx.db.request.findUnique({ where: { id: open.answer } })).toMatchObject({
      cancelled: true,
      erase: true,
    });
    expect(await ctx.redis.exists(`gen:${other.answer}`)).toBe(1);
  });

  test('leave the page as Markdown and as JSON', async () => {
    const { session } = newSession();
    const { id } = await converse(session, { question: 'What is "it"?' });
    const read = await readConversation(id, session, ctx);
    const markdown = exportConversation(read, 'markdown');
    expect(markdown.name).toBe('What-is-it.md');
    expect(markdown.text).toBe(
      '# What is "it"?\n\n## You\n\nWhat is "it"?\n\n## Answer\n\nA list of changes.\n',
    );
    const json = JSON.parse(exportConversation(read, 'json').text);
    expect(json).toMatchObject({ format: 'blyan.conversation.v1', messages: read.messages });
    expect(json).not.toHaveProperty('shareToken');
  });
});

describe('asking', () => {
  const asking = (conversation = newId(), parent: string | null = null) => ({
    conversation,
    parent,
    question: { id: newId(), text: 'What is a block?' },
    answer: newId(),
    settings: {},
  });
  const idsOf = async (id: string, session: Session) =>
    (await readConversation(id, session, ctx)).messages.map((message) => message.id);

  test('twice with the same ids is once, also at the same time', async () => {
    await serve(ctx);
    const { session } = newSession();
    const input = asking();
    await Promise.all([askIn(input, session, ctx), askIn(input, session, ctx)]);
    await askIn(input, session, ctx);
    expect(await idsOf(input.conversation, session)).toEqual([input.question.id, input.answer]);
    const { status, prompt } = await ctx.db.request.findUniqueOrThrow({
      where: { id: input.answer },
    });
    expect(status).toBe('queued');
    expect(prompt.length).toBeGreaterThan(10);
  });

  test('and deleting before anybody has taken it leaves nothing in the queue', async () => {
    await serve(ctx);
    const { session } = newSession();
    const input = asking();
    await askIn(input, session, ctx);
    const job = `${INTAKE_PREFIX}:${INTAKE_QUEUE}:${input.answer}`;
    const waiting = () => ctx.redis.lrange(`${INTAKE_PREFIX}:${INTAKE_QUEUE}:wait`, 0, -1);
    expect(await ctx.redis.exists(job)).toBe(1);
    expect(await waiting()).toContain(input.answer);
    expect(await eraseConversations([input.conversation], session, ctx)).toBe(1);
    expect(await ctx.redis.exists(job)).toBe(0);
    expect(await waiting()).not.toContain(input.answer);
    // Its row is the coordinator's to end, and to delete.
    const row = await ctx.db.request.findUnique({ where: { id: input.answer } });
    expect(row).toMatchObject({ status: 'queued', cancelled: true, erase: true });
  });

  test('under the id of another answer takes nothing of it, whatever is asked', async () => {
    await serve(ctx);
    const [{ session }, { session: other }] = [newSession(), newSession()];
    const theirs = asking();
    await askIn(theirs, other, ctx);
    // One of the API, which is in no conversation.
    const { answer: id } = theirs;
    const { receipt: _, ...row } = await ctx.db.request.findUniqueOrThrow({ where: { id } });
    const free = newId();
    await ctx.db.request.create({ data: { ...row, params: row.params as object, id: free } });
    for (const answer of [id, free]) {
      const input = { ...asking(), answer };
      await expect(askIn(input, session, ctx)).rejects.toMatchObject({ code: 'id_taken' });
      await expect(readConversation(input.conversation, session, ctx)).rejects.toThrow();
    }
    await eraseConversations('all', session, ctx);
    expect(await idsOf(theirs.conversation, other)).toEqual([theirs.question.id, id]);
    const kept = await ctx.db.request.findUniqueOrThrow({
      where: { id: free },
      include: { message: true },
    });
    expect(kept).toMatchObject({ erase: false, message: null });
  });

  test('in a conversation that is deleted meanwhile brings nothing back', async () => {
    const { session } = newSession();
    const { id, answer } = await converse(session);
    await serve(ctx);
    const input = asking(id, answer);
    // Deleted when the question has been read and before it is written.
    const admission = {
      ...ctx.admission,
      async spend() {
        await eraseConversations([id], session, ctx);
      },
    };
    const asked = askIn(input, session, { ...ctx, admission });
    await expect(asked).rejects.toMatchObject({ status: 404 });
    await expect(readConversation(id, session, ctx)).rejects.toMatchObject({ status: 404 });
    expect(await ctx.db.request.findUnique({ where: { id: input.answer } })).toBeNull();
  });
});

describe('what the model reads', () => {
  const say = (role: 'user' | 'assistant', text: string) => ({ role, text }) as MessageView;

  test('is the branch, with answers that went on as one, and nothing of those that failed', () => {
    const path = [
      say('user', 'One?'),
      say('assistant', 'He'),
      say('assistant', 'llo'),
      say('user', 'Two?'),
      say('assistant', ''),
      say('user', 'Three?'),
    ];
    expect(turnsBefore(path, { system: ' Be brief. ' })).toEqual([
      { role: 'system', content: 'Be brief.' },
      { role: 'user', content: 'One?' },
      { role: 'assistant', content: 'Hello' },
      { role: 'user', content: 'Three?' },
    ]);
  });
});
