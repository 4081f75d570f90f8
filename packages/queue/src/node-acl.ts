/**
 * Redis as a node may see it: a user of its own for each, who reaches the node's own keys and
 * channels and nothing else. Made and taken away by the trusted side.
 *
 * EVALSHA without EVAL and SCRIPT LOAD: an endless script of a node's own would block the server for
 * everybody, beyond SCRIPT KILL once it has written. So the trusted side loads the scripts that
 * BullMQ needs, and a script is held to the same keys as its caller.
 */
/// <reference path="./bullmq-scripts.d.ts" />
import { createHash, randomBytes } from 'node:crypto';
import scripts from 'bullmq/dist/cjs/scripts/index.js';
import type { Redis } from './connection.ts';
import { QueueError } from './errors.ts';
import { nodePrefix, stageChannels } from './names.ts';

/**
 * What a BullMQ worker, its scripts, a node's stream and its subscriptions call (seen by MONITOR).
 * Not `@connection`, which has CLIENT LIST: everybody's addresses. INFO in the one section that
 * BullMQ reads: the others tell of other clients and keys.
 */
const COMMANDS = [
  ...['auth', 'hello', 'ping', 'quit', 'select', 'client|setname', 'client|id', 'info|server'],
  ...[
    'evalsha',
    'multi',
    'exec',
    'time',
    'type',
    'ttl',
    'pttl',
    'exists',
    'expire',
    'pexpire',
    'persist',
  ],
  ...['get', 'set', 'del', 'incr', 'hget', 'hset', 'hmget', 'hmset', 'hgetall', 'hdel', 'hexists'],
  ...['hincrby', 'lpush', 'rpush', 'lrem', 'llen', 'lrange', 'rpoplpush', 'lmove', 'lpos', 'ltrim'],
  ...['sadd', 'srem', 'smembers', 'scard', 'sismember', 'zadd', 'zrange', 'zrem', 'zcard'],
  ...[
    'zscore',
    'zrangebyscore',
    'zrevrangebyscore',
    'zremrangebyscore',
    'zremrangebyrank',
    'zrevrange',
    'zpopmin',
    'bzpopmin',
  ],
  ...['xadd', 'xtrim', 'xread', 'xlen', 'xrange'],
  ...['publish', 'subscribe', 'unsubscribe', 'psubscribe', 'punsubscribe'],
];

/** 256 random bits, as a URL may have them. */
const SECRET_BYTES = 32;

export const nodeUser = (nodeId: string): string => nodePrefix(nodeId);

export interface NodeCredentials {
  username: string;
  password: string;
}

/**
 * Makes the user of a node, or gives the one that is there a new password. Connections with the old
 * password stay open; channels of stages stay granted. Throws REDIS_FAILED.
 */
export async function createNodeUser(redis: Redis, nodeId: string): Promise<NodeCredentials> {
  const username = nodeUser(nodeId);
  const password = randomBytes(SECRET_BYTES).toString('base64url');
  // The server gets the hash alone: MONITOR and the slow log show arguments.
  const hash = createHash('sha256').update(password).digest('hex');
  await acl(redis, [
    ...['setuser', username, 'on', 'resetpass', `#${hash}`],
    ...['resetkeys', `~${nodePrefix(nodeId)}:*`, `&${nodePrefix(nodeId)}:*`],
    ...['-@all', ...COMMANDS.map((command) => `+${command}`)],
  ]);
  return { username, password };
}

/** Ends the user of a node and all its connections at once. True when there was one. */
export async function deleteNodeUser(redis: Redis, nodeId: string): Promise<boolean> {
  return (await acl(redis, ['deluser', nodeUser(nodeId)])) === 1;
}

/** Ids of all nodes that have a user on this server. Throws REDIS_FAILED. */
export async function nodesWithUsers(redis: Redis): Promise<Set<string>> {
  const names = (await acl(redis, ['users'])) as string[];
  const prefix = nodeUser('');
  return new Set(
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length)),
  );
}

/**
 * Opens the channels of these assignments to a node, and no others but its own. Connections that
 * are subscribed to what is not granted any more are cut. False when the node has no user: then
 * nothing was granted, and a registration is to come.
 */
export async function grantStages(
  redis: Redis,
  nodeId: string,
  assignmentIds: readonly string[],
): Promise<boolean> {
  const username = nodeUser(nodeId);
  if ((await acl(redis, ['getuser', username])) === null) return false;
  const channels = [nodePrefix(nodeId), ...assignmentIds.map(stageChannels)];
  await acl(redis, [
    ...['setuser', username, 'resetchannels'],
    ...channels.map((channel) => `&${channel}:*`),
  ]);
  return true;
}

/** Loads all that nodes may call with EVALSHA. Redis forgets it in a restart. Throws REDIS_FAILED. */
export async function loadNodeScripts(redis: Redis): Promise<void> {
  const pipeline = redis.pipeline();
  for (const { content } of Object.values(scripts)) pipeline.script('LOAD', content);
  const results = await pipeline.exec().catch((error: Error) => {
    throw failed('SCRIPT LOAD', error);
  });
  const error = results?.find(([problem]) => problem)?.[0];
  if (error) throw failed('SCRIPT LOAD', error);
}

async function acl(redis: Redis, args: string[]): Promise<unknown> {
  try {
    return await redis.call('acl', ...args);
  } catch (error) {
    throw failed(`ACL ${args[0]?.toUpperCase()}`, error as Error);
  }
}

const failed = (command: string, cause: Error) =>
  new QueueError('REDIS_FAILED', `${command}: ${cause.message}`, {}, { retry: true, cause });
