/** What a node's Redis user may do, with a client that respects nothing: the credentials are stolen. */
import { once } from 'node:events';
import type { NodeJob } from '@blyan/protocol/node';
import { NEUTRAL } from '@blyan/protocol/sampling';
import { Queue, Worker } from 'bullmq';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, disconnect } from '../src/connection.ts';
import { ControlSubscription, tellNode } from '../src/control.ts';
import {
  answerStream,
  CLUSTER_KEY,
  COORDINATOR_CHANNEL,
  NODE_QUEUE,
  nodeControl,
  nodePrefix,
  nodeStream,
  stageChannels,
} from '../src/names.ts';
import {
  createNodeUser,
  deleteNodeUser,
  grantStages,
  loadNodeScripts,
  type NodeCredentials,
} from '../src/node-acl.ts';
import { NodeAccess } from '../src/node-connection.ts';
import { NodeJobWorker, NodeQueues } from '../src/node-queue.ts';
import { NodeStreamReader } from '../src/node-reader.ts';
import { NodeStreamWriter } from '../src/node-stream.ts';
import { newRequestId, quiet, recorder, redisUrl, sleep } from './support.ts';

const url = redisUrl(6);
const ME = `acl-${process.pid}-a`;
const OTHER = `acl-${process.pid}-b`;
const own = (name: string) => `${nodePrefix(ME)}:${name}`;
const theirs = (name: string) => `${nodePrefix(OTHER)}:${name}`;

function withCredentials({ username, password }: NodeCredentials): string {
  const mine = new URL(url);
  mine.username = encodeURIComponent(username);
  mine.password = password;
  return mine.href;
}

const job = (requestId = newRequestId()): NodeJob => ({
  requestId,
  attempt: 1,
  model: 'ab'.repeat(32),
  prompt: [1],
  emitted: [],
  params: { ...NEUTRAL, maxTokens: 1, temperature: 0, seed: 1 },
  stopTokens: [],
  remainingMs: 60_000,
});

async function until(condition: () => boolean): Promise<void> {
  const end = Date.now() + 4000;
  while (!condition()) {
    if (Date.now() > end) throw new Error('it did not happen');
    await sleep(5);
  }
}

let admin: ReturnType<typeof connect>;
beforeAll(async () => {
  admin = connect(url, { name: 'test', logger: quiet });
  await admin.flushdb();
  await loadNodeScripts(admin);
});
afterAll(async () => {
  await deleteNodeUser(admin, ME);
  await deleteNodeUser(admin, OTHER);
  await disconnect(admin);
});

/** An open connection as the node's user; nothing is tried again. */
async function thief(credentials: NodeCredentials) {
  const redis = new Redis(withCredentials(credentials), {
    lazyConnect: true,
    retryStrategy: () => null,
    disableClientInfo: true,
    enableReadyCheck: false,
  });
  redis.on('error', () => undefined);
  await redis.connect();
  return { redis, [Symbol.asyncDispose]: async () => redis.disconnect() };
}

describe('stolen credentials', () => {
  const denied: [name: string, command: string[]][] = [
    ['the jobs of another node', ['HGETALL', `${theirs(NODE_QUEUE)}:1`]],
    ['the queue of another node', ['LRANGE', `${theirs(NODE_QUEUE)}:wait`, '0', '-1']],
    ['a job for another node', ['LPUSH', `${theirs(NODE_QUEUE)}:wait`, '1']],
    ['the stream of another node', ['XREAD', 'STREAMS', nodeStream(OTHER), '0']],
    ['events in the name of another node', ['XADD', nodeStream(OTHER), '*', 'e', '{}']],
    ['own and another key in one command', ['DEL', own('x'), theirs('x')]],
    ['a key moved out of its own', ['LMOVE', own('a'), theirs('a'), 'LEFT', 'LEFT']],
    ['a node whose name begins as this one', ['GET', `${nodePrefix(ME)}2:x`]],
    ['the intake', ['LRANGE', 'blyan:intake:wait', '0', '-1']],
    ['a request of its own making', ['LPUSH', 'blyan:intake:wait', 'x']],
    ['an answer of a user', ['XRANGE', answerStream('some-request-0123456789'), '-', '+']],
    ['a forged answer', ['XADD', answerStream('some-request-0123456789'), '*', 'e', '{}']],
    ['the view of the cluster', ['GET', CLUSTER_KEY]],
    ['a forged view of the cluster', ['SET', CLUSTER_KEY, '{}']],
    ['orders to the coordinator', ['PUBLISH', COORDINATOR_CHANNEL, '{}']],
    ['orders to another node', ['PUBLISH', nodeControl(OTHER), '{"type":"drain"}']],
    ['listening to orders to the coordinator', ['SUBSCRIBE', COORDINATOR_CHANNEL]],
    ['listening to answers', ['SUBSCRIBE', answerStream('some-request-0123456789')]],
    ['listening to everything', ['PSUBSCRIBE', '*']],
    ['listening to all nodes', ['PSUBSCRIBE', 'blyan:node:*']],
    ['listening to key events', ['PSUBSCRIBE', '__keyspace@*__:*']],
    ['the frames of a pipeline that is not its own', ['SUBSCRIBE', `${stageChannels('x')}:0`]],
    ['frames into it', ['PUBLISH', `${stageChannels('x')}:0`, 'x']],
    ['a script of its own', ['EVAL', 'return 1', '0']],
    ['a read-only script of its own', ['EVAL_RO', 'return 1', '0']],
    ['loading a script', ['SCRIPT', 'LOAD', 'return 1']],
    ['forgetting all scripts', ['SCRIPT', 'FLUSH']],
    ['loading a function', ['FUNCTION', 'LOAD', '#!lua name=x\nreturn 1']],
    ['calling a function', ['FCALL', 'x', '0']],
    ['names of all keys', ['KEYS', '*']],
    ['a scan of all keys', ['SCAN', '0']],
    ['a random key', ['RANDOMKEY']],
    ['number of all keys', ['DBSIZE']],
    ['configuration', ['CONFIG', 'GET', '*']],
    ['writing the configuration', ['CONFIG', 'SET', 'dir', '/tmp']],
    ['users', ['ACL', 'LIST']],
    ['more rights for itself', ['ACL', 'SETUSER', 'default', 'nopass']],
    ['its own name', ['ACL', 'WHOAMI']],
    ['clients', ['CLIENT', 'LIST']],
    ['cutting clients', ['CLIENT', 'KILL', 'TYPE', 'normal']],
    ['pausing all clients', ['CLIENT', 'PAUSE', '1000']],
    ['its own limits', ['CLIENT', 'NO-EVICT', 'on']],
    ['what else the server tells', ['INFO', 'clients']],
    ['all that the server tells', ['INFO']],
    ['what others do', ['MONITOR']],
    ['the slow log', ['SLOWLOG', 'GET']],
    ['the latency log', ['LATENCY', 'LATEST']],
    ['all of a database', ['FLUSHDB']],
    ['all databases', ['FLUSHALL']],
    ['swapped databases', ['SWAPDB', '0', '1']],
    ['a key into another database', ['MOVE', own('x'), '1']],
    ['the dump of a key', ['DUMP', own('x')]],
    ['a crafted dump', ['RESTORE', own('x'), '0', 'x']],
    ['a connection to elsewhere', ['MIGRATE', '127.0.0.1', '1', own('x'), '0', '1']],
    ['another master', ['REPLICAOF', '127.0.0.1', '1']],
    ['the stream of all changes', ['PSYNC', '?', '-1']],
    ['modules', ['MODULE', 'LIST']],
    ['the end of the server', ['SHUTDOWN', 'NOSAVE']],
    ['a save', ['SAVE']],
    ['the list of channels', ['PUBSUB', 'CHANNELS']],
    ['sorting by keys elsewhere', ['SORT', own('x'), 'BY', 'gen:*']],
    ['waiting for replicas without end', ['WAIT', '1', '0']],
    ['the memory of a key', ['MEMORY', 'USAGE', own('x')]],
    ['the inside of a key', ['OBJECT', 'ENCODING', own('x')]],
  ];

  test('open nothing but the own keys and channels', async () => {
    const credentials = await createNodeUser(admin, ME);
    await using t = await thief(credentials);
    const results: Record<string, string> = {};
    for (const [name, [command = '', ...args]] of denied) {
      results[name] = await t.redis.call(command, ...args).then(
        (reply) => `allowed: ${JSON.stringify(reply)}`,
        (error: Error) => error.message.split(' ')[0] ?? '',
      );
    }
    expect(results).toEqual(Object.fromEntries(denied.map(([name]) => [name, 'NOPERM'])));
    expect(await t.redis.call('INFO', 'server')).toContain('redis_version');
    expect(await t.redis.set(own('x'), '1')).toBe('OK');
  });

  test('scripts that are loaded are held to the same keys', async () => {
    const sha = (await admin.script(
      'LOAD',
      "return redis.call('SET', KEYS[1] or ARGV[1], 'x')",
    )) as string;
    await using t = await thief(await createNodeUser(admin, ME));
    expect(await t.redis.evalsha(sha, 1, own('y'))).toBe('OK');
    await expect(t.redis.evalsha(sha, 1, theirs('y'))).rejects.toThrow(/NOPERM/);
    // A key that is not declared as one.
    await expect(t.redis.evalsha(sha, 0, theirs('y'))).rejects.toThrow(/can't access|NOPERM|ACL/i);
    expect(await admin.exists(theirs('y'))).toBe(0);
  });

  test('are good no longer once the password has changed or the user is gone', async () => {
    const old = await createNodeUser(admin, ME);
    const now = await createNodeUser(admin, ME);
    await expect(thief(old)).rejects.toThrow();
    await using t = await thief(now);
    const closed = new Promise<void>((resolve) => t.redis.once('end', resolve));
    const began = performance.now();
    expect(await deleteNodeUser(admin, ME)).toBe(true);
    await closed;
    expect(performance.now() - began).toBeLessThan(500);
    expect(await deleteNodeUser(admin, ME)).toBe(false);
    await expect(thief(now)).rejects.toThrow();
  });

  test('the server is told the hash of a password only', async () => {
    const { username, password } = await createNodeUser(admin, ME);
    const told = JSON.stringify(await admin.call('acl', 'getuser', username));
    expect(told).not.toContain(password);
    expect(await admin.call('acl', 'list')).toEqual(
      expect.arrayContaining([expect.stringContaining(`user ${username} on #`)]),
    );
  });
});

describe('stages', () => {
  test('open the channels of an assignment, and close those of the last one', async () => {
    expect(await grantStages(admin, OTHER, ['one'])).toBe(false);
    await using t = await thief(await createNodeUser(admin, OTHER));
    expect(await grantStages(admin, OTHER, ['one', 'two'])).toBe(true);
    await grantStages(admin, OTHER, ['one', 'two']);
    await t.redis.subscribe(`${stageChannels('one')}:0`, nodeControl(OTHER));
    const closed = new Promise<void>((resolve) => t.redis.once('end', resolve));
    await grantStages(admin, OTHER, ['two']);
    await closed;
    await using again = await thief(await createNodeUser(admin, OTHER));
    expect(await again.redis.publish(`${stageChannels('two')}:0`, 'x')).toBe(0);
    await expect(again.redis.publish(`${stageChannels('one')}:0`, 'x')).rejects.toThrow(/NOPERM/);
    expect(await again.redis.publish(nodeControl(OTHER), '{}')).toBe(0);
  });
});

describe('a node of ours', () => {
  test('does all of its work, and a job that fails is tried again', async () => {
    const { lines, logger } = recorder();
    const access = new NodeAccess({
      redisUrl: withCredentials(await createNodeUser(admin, ME)),
      logger,
      onRefused: (reason) => lines.push({ level: 'error', fields: {}, message: reason }),
    });
    const redis = access.connect('node');
    const queue = new Queue('retried', { connection: admin, prefix: nodePrefix(ME) });
    const tries: number[] = [];
    const worker = new Worker(
      'retried',
      async (task) => {
        await task.log('a line');
        await task.updateProgress(task.attemptsMade);
        tries.push(task.attemptsMade);
        if (task.attemptsMade < 2) throw new Error('not yet');
        return 'done';
      },
      { connection: redis, prefix: nodePrefix(ME) },
    );
    worker.on('error', (error) =>
      lines.push({ level: 'error', fields: {}, message: error.message }),
    );
    try {
      const added = await queue.add(
        'x',
        {},
        { attempts: 3, backoff: { type: 'fixed', delay: 20 } },
      );
      await queue.add('x', {}, { delay: 30 });
      await queue.add('x', {}, { priority: 3 });
      await until(() => tries.length >= 5);
      expect(await queue.getJobLogs(added.id ?? '')).toMatchObject({ count: 3 });
      expect(await added.getState()).toBe('completed');
    } finally {
      await worker.close();
      await queue.close();
      await disconnect(redis);
    }
    expect(lines).toEqual([]);
  });

  test('is cut off, says so once, and works on with new credentials', async () => {
    const refusals: string[] = [];
    const access = new NodeAccess({
      redisUrl: withCredentials(await createNodeUser(admin, ME)),
      logger: quiet,
      onRefused: (reason) => refusals.push(reason),
    });
    const [redis, jobsRedis] = [access.connect('node:out'), access.connect('node:jobs')];
    // As BullMQ does it with its blocking connection, when Redis was silent for long.
    const reopened = access.connect('node:reopened');
    await reopened.ping();
    const ended = once(reopened, 'end');
    reopened.disconnect();
    await ended;
    await reopened.connect();
    const stream = new NodeStreamWriter({ redis, nodeId: ME, logger: quiet });
    const ran: string[] = [];
    const jobs = new NodeJobWorker(
      { redis: jobsRedis, nodeId: ME, slots: 2, logger: quiet },
      async ({ requestId }) => {
        ran.push(requestId);
        stream.write({ type: 'done', requestId, attempt: 1, count: 0, prefillMs: 0, decodeMs: 0 });
      },
    );
    const heard: string[] = [];
    const control = await ControlSubscription.node(
      ME,
      { url: (name) => access.connect(name), logger: quiet },
      ({ type }) => heard.push(type),
    );
    const queues = new NodeQueues({ redis: admin, logger: quiet });
    const reader = NodeStreamReader.open({ url, logger: quiet });
    await reader.add(ME, admin);
    const stop = new AbortController();
    const done: string[] = [];
    const positions: number[] = [];
    const reading = (async () => {
      for await (const batch of reader.batches(stop.signal)) {
        for (const { event } of batch) {
          if (event?.type === 'done') done.push(event.requestId);
          if (event?.type === 'tokens') positions.push(event.position);
        }
      }
    })();
    let position = 0;
    const write = () =>
      stream.write({
        type: 'tokens',
        requestId: 'an-answer-that-goes-on',
        attempt: 1,
        position: position++,
        tokens: [7],
      });
    try {
      jobs.start();
      const [first, second] = [job(), job()];
      await queues.add(ME, first);
      await until(() => done.includes(first.requestId));
      const writing = setInterval(write, 3);
      await until(() => positions.length > 0);
      await deleteNodeUser(admin, ME);
      await until(() => refusals.length > 0);
      const refusedAt = position;
      await sleep(700);
      clearInterval(writing);
      expect(refusals).toHaveLength(1);
      expect(refusals[0]).toMatch(/^WRONGPASS/);
      await queues.add(ME, second);
      await loadNodeScripts(admin);
      access.renew({ redisUrl: withCredentials(await createNodeUser(admin, ME)) });
      const began = performance.now();
      await until(() => done.includes(second.requestId));
      expect(performance.now() - began).toBeLessThan(3000);
      expect(ran).toEqual([first.requestId, second.requestId]);
      await reopened.ping();
      // What was on its way when the user went may be lost, and its attempt with it; what waited here is not.
      await until(() => positions.at(-1) === position - 1);
      expect(positions).toEqual([...new Set(positions)].sort((a, b) => a - b));
      const waited = positions.filter((each) => each >= refusedAt);
      expect(waited).toEqual([...Array(position).keys()].slice(refusedAt));
      await tellNode(admin, ME, { type: 'drain' });
      await until(() => heard.includes('drain'));
    } finally {
      stop.abort();
      await reading;
      await reader[Symbol.asyncDispose]();
      await control[Symbol.asyncDispose]();
      await jobs.close(true);
      await queues[Symbol.asyncDispose]();
      await Promise.all([redis, jobsRedis, reopened].map(disconnect));
    }
  });
});
