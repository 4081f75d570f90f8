/** A coordinator on an empty database and a Redis of its own, and a user who asks. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { ChainError } from '@blyan/chain/errors';
import { createDb, type Db } from '@blyan/db/client';
import { createTestDatabase } from '@blyan/db/testing';
import { readModelFiles } from '@blyan/model/files';
import { createTokenizer } from '@blyan/model/tokenizer';
import type { AnswerEvent } from '@blyan/protocol/answer';
import { NEUTRAL, type SamplingParams } from '@blyan/protocol/sampling';
import { AnswerReader } from '@blyan/queue/answer-reader';
import { connect, disconnect } from '@blyan/queue/connection';
import { tellCoordinator } from '@blyan/queue/control';
import { IntakeQueue } from '@blyan/queue/intake';
import { afterAll, inject } from 'vitest';
import type {} from '../../../tooling/local/src/test-context.ts';
import type { Models, ServedModel } from '../src/served-model.ts';
import { type ServiceDeps, type ServiceOptions, startService } from '../src/service.ts';
import { evenPlan } from './even-plan.ts';
import { quiet } from './quiet.ts';
import { type NodeOptions, ScriptedNode } from './scripted-node.ts';

const MODEL = 'ab'.repeat(32);
const MODEL_DIR = path.resolve(import.meta.dirname, '../../../models/blyan-guide');
const FILES = ['config.json', 'generation_config.json', 'tokenizer.json', 'tokenizer_config.json'];

/** The embedded model's own vocabulary and tokenizer; its blocks are not needed here. */
async function readModel(): Promise<ServedModel> {
  const files = new Map<string, Uint8Array>();
  for (const name of FILES) files.set(name, await readFile(path.join(MODEL_DIR, name)));
  const { config, generation, ...texts } = readModelFiles(files);
  const tokenizer = createTokenizer(texts);
  return {
    hash: MODEL,
    name: 'blyan-guide',
    genesis: '00'.repeat(32),
    block: { chain: 'A', height: 1, hash: MODEL },
    layerBlocks: [{ chain: 'B', height: 1, hash: 'cd'.repeat(32), group: 'embedding' }],
    vocab: config.vocab,
    layers: config.layers,
    context: config.context,
    stopTokens: new Set(generation.stopTokens),
    thinking: { open: tokenizer.idOf('<think>') ?? -1, close: tokenizer.idOf('</think>') ?? -1 },
    plan: evenPlan(config.layers),
    detokenizer: () => tokenizer.detokenizer(),
  };
}

export interface Ask {
  maxTokens?: number;
  stop?: string[];
  timeoutMs?: number;
  model?: string;
  prompt?: number[];
  continues?: number;
  params?: Partial<SamplingParams>;
}

/** Read once a file; each test gets a copy that it may change. */
let reading: Promise<ServedModel> | undefined;

/** One database a file, emptied for each test. */
async function openDatabase() {
  const postgres = await createTestDatabase(inject('databaseUrl'));
  return { postgres, db: createDb(postgres.url, { poolSize: 4 }) };
}
let opening: ReturnType<typeof openDatabase> | undefined;
afterAll(async () => {
  const opened = await opening;
  await opened?.db.$disconnect();
  await opened?.postgres[Symbol.asyncDispose]();
});

/** Back to what the migrations made; a role of replicas skips the trigger that guards the audit log. */
async function emptyTables(db: Db): Promise<void> {
  const [found] = await db.$queryRaw<{ tables: string }[]>`
    SELECT string_agg(quote_ident(tablename), ', ') AS tables FROM pg_tables
    WHERE schemaname = 'public' AND tablename <> '_prisma_migrations'`;
  await db.$transaction([
    db.$executeRaw`SET LOCAL session_replication_role = replica`,
    db.$executeRawUnsafe(`TRUNCATE ${found?.tables}`),
  ]);
}

const NO_BLOBS: ServiceDeps['blobs'] = {
  stat: async () => null,
  leaves: async (root) => {
    throw new RangeError(`there is no blob ${root}`);
  },
};

/** Seconds are milliseconds here, but not too few: the machine that tests may be busy. */
const FAST = {
  nodeLostMs: 1500,
  noNodeGraceMs: 1500,
  steadyMs: 800,
  retentionMs: 3600_000,
  conversationRetentionMs: 48 * 3600_000,
};

export async function openHarness(database: number) {
  const url = new URL(inject('redisUrl'));
  url.pathname = `/${database}`;
  const redisUrl = url.href;
  const redis = connect(redisUrl, { name: 'test', logger: quiet });
  await redis.flushdb();
  opening ??= openDatabase();
  const { db } = await opening;
  await emptyTables(db);
  const keyOf = async (scopes: string[]) => {
    const id = `k_${scopes.join('_')}`;
    const hash = createHash('sha256').update(id).digest();
    const key = { id, name: id, prefix: id, hash, scopes, maxNodes: 1000, createdBy: 'test' };
    await db.nodeKey.upsert({ where: { id }, create: key, update: {} });
    return id;
  };
  const reader = AnswerReader.open({ url: redisUrl, logger: quiet });
  const intake = new IntakeQueue({ redis, logger: quiet });
  reading ??= readModel();
  const model = { ...(await reading) };
  const models: Models & { failure: Error } = {
    failure: new ChainError('MODEL_LAYERS'),
    async wanted() {
      return MODEL;
    },
    async get(hash) {
      if (hash !== MODEL) throw models.failure;
      return model;
    },
  };
  const resources: AsyncDisposable[] = [];
  const lines: { fields: object; message: string }[] = [];
  const record = (fields: object, message: string) => {
    lines.push({ fields, message });
  };
  const logger = { debug() {}, info: record, warn: record, error: record };

  return {
    db,
    url: redisUrl,
    redis,
    reader,
    model,
    models,
    lines,
    async coordinator(options: Partial<ServiceOptions> = {}, deps: Partial<ServiceDeps> = {}) {
      const service = await startService(
        { redisUrl, ...FAST, ...options },
        { db, models, logger, blobs: NO_BLOBS, ...deps },
      );
      let open = true;
      const stop = async () => {
        if (open) await service[Symbol.asyncDispose]();
        open = false;
      };
      resources.push({ [Symbol.asyncDispose]: stop });
      return { stop };
    },
    async node(options: Omit<NodeOptions, 'redisUrl' | 'model'>, scopes = ['serve', 'blobs']) {
      const { id } = options;
      const keyId = await keyOf(scopes);
      await db.node.upsert({
        where: { id },
        create: { id, version: '0.1.0', publicKey: Buffer.alloc(32, 7), keyId },
        update: { registeredAt: new Date() },
      });
      await db.node.updateMany({ where: { id, keyId: null }, data: { keyId } });
      await tellCoordinator(redis, { type: 'node', nodeId: id });
      const node = await ScriptedNode.start({ ...options, redisUrl, model: MODEL });
      resources.push(node);
      return node;
    },
    /** As the web app does it: the row, then its id. */
    async ask(asked: Ask = {}) {
      const { maxTokens = 20, stop = [], timeoutMs = 60_000, continues = 0 } = asked;
      const { model = MODEL, prompt = [1, 2, 3] } = asked;
      const id = `request-${crypto.randomUUID()}`;
      const params = { ...NEUTRAL, maxTokens, temperature: 0, seed: 7, ...asked.params };
      const deadline = new Date(Date.now() + timeoutMs);
      await db.request.create({
        data: { id, model: Buffer.from(model, 'hex'), prompt, continues, params, stop, deadline },
      });
      await intake.add(id);
      return id;
    },
    async cancel(id: string) {
      await db.request.update({ where: { id }, data: { cancelled: true } });
      await tellCoordinator(redis, { type: 'cancel', requestId: id });
    },
    /** All events until the end. */
    async events(id: string): Promise<AnswerEvent[]> {
      const events: AnswerEvent[] = [];
      for await (const { event } of reader.follow(id)) events.push(event);
      return events;
    },
    /** The row, once it has ended. */
    async row(id: string) {
      for (;;) {
        const row = await db.request.findUniqueOrThrow({
          where: { id },
          include: { attempts: true },
        });
        if (row.status !== 'queued' && row.status !== 'running') return row;
        await sleep(20);
      }
    },
    async [Symbol.asyncDispose]() {
      for (const resource of resources.reverse()) await resource[Symbol.asyncDispose]();
      await intake[Symbol.asyncDispose]();
      await reader[Symbol.asyncDispose]();
      await disconnect(redis);
    },
  };
}

export const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 10_000;
  while (!(await condition())) {
    if (Date.now() > end) throw new Error('it did not happen');
    await sleep(10);
  }
}

export const tokensOf = (events: AnswerEvent[]) =>
  events.flatMap((event) => (event.type === 'tokens' ? event.tokens : []));
export const textOf = (events: AnswerEvent[]) =>
  events.map((event) => ('text' in event ? event.text : '')).join('');
