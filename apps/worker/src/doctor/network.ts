/** What a worker needs of the main node: that it answers, the key, the clock, and its Redis. */
import { type FINAL_REFUSALS, GpuStatus, HeartbeatResponse } from '@blyan/protocol/register';
import { disconnect } from '@blyan/queue/connection';
import { NodeAccess } from '@blyan/queue/node-connection';
import { z } from 'zod';
import { WorkerError } from '../errors.ts';
import { askMain } from '../main-client.ts';
import { type RegisterInput, registerOnce } from '../register.ts';
import { type Finding, fail, ok, warn } from './check.ts';

const TIMEOUT_MS = 15_000;
/** Answers have deadlines of minutes; certificates are less patient. */
const CLOCK_MS = 5000;

const quiet = { info() {}, warn() {}, error() {} };

interface Main {
  mainUrl: string;
  apiKey: string;
}

/** What an operator can do about each refusal, and about what this worker finds wrong itself. */
const FIXES: Record<(typeof FINAL_REFUSALS)[number] | 'key_nodes_exhausted', string> = {
  missing_api_key:
    'Put the key that the main node gave you into a file and pass --key-file FILE, or set BLYAN_API_KEY.',
  invalid_api_key:
    'Compare BLYAN_API_KEY with the key that the main node gave you; ask its admin for a new one at /admin/keys.',
  key_expired: 'Ask an admin of the main node for a later expiry of the key (/admin/keys).',
  key_disabled: 'Ask an admin of the main node to enable the key (/admin/keys).',
  key_revoked: 'Ask an admin of the main node for a new key (/admin/keys).',
  key_address_not_allowed:
    "Ask an admin of the main node to add this machine's public address to the key (/admin/keys).",
  key_nodes_exhausted:
    'Stop another worker of this key and wait a minute, or ask an admin for a key for more nodes.',
  node_name_taken:
    "Set BLYAN_NODE_ID (--name) to another name, or bring back the old worker's node-key.pem.",
  node_evicted: 'Ask an admin of the main node to lift the eviction (/admin/nodes).',
  node_draining: 'Ask an admin of the main node to end the drain (/admin/nodes).',
  node_marked:
    'Ask an admin of the main node to lift the mark (/admin/nodes), and update this worker first.',
};

export function fixOf(error: unknown, { mainUrl }: Pick<Main, 'mainUrl'>): string {
  const { code = '', refusal = '' } = error instanceof WorkerError ? error : {};
  if (code === 'GENESIS_MISMATCH')
    return 'Compare --genesis (BLYAN_GENESIS) with the hash that the network tells you; for another network than before use another directory (--data).';
  return (
    (Object.hasOwn(FIXES, refusal) && FIXES[refusal as keyof typeof FIXES]) ||
    `Try \`curl -v ${mainUrl}/health\` on this machine; check BLYAN_MAIN_URL (--main), firewalls and proxies in between.`
  );
}

const words = (error: unknown): string => (error instanceof Error ? error.message : String(error));

export async function checkMain(main: Main): Promise<Finding> {
  const began = performance.now();
  try {
    await askMain(z.looseObject({}), { ...request(main), path: '/health' });
    const ms = Math.round(performance.now() - began);
    const plain =
      main.mainUrl.startsWith('http://') && !/\/\/(localhost|127\.|\[::1\])/.test(main.mainUrl);
    const detail = `${main.mainUrl} answers in ${ms} ms`;
    if (!plain) return ok('main', detail);
    return warn(
      'main',
      `${detail}, without TLS: others on the way can read the key`,
      'Use the https:// address of the main node, unless a private network or a tunnel is between.',
    );
  } catch (error) {
    return fail('main', words(error), fixOf(error, main));
  }
}

export async function checkKey(main: Main): Promise<Finding> {
  try {
    const status = await askMain(GpuStatus, {
      ...request(main),
      path: '/gpu/status',
      bearer: main.apiKey,
    });
    const { name, maxNodes } = status.key;
    const inside = status.nodes.filter(({ leaseUntil }) => (leaseUntil ?? 0) > Date.now()).length;
    return ok('key', `"${name}", ${inside} of ${maxNodes} nodes in use`);
  } catch (error) {
    return fail('key', words(error), fixOf(error, main));
  }
}

/** By the Date header, which has whole seconds. */
export async function checkClock(main: Main): Promise<Finding> {
  try {
    const began = Date.now();
    const response = await fetch(`${main.mainUrl}/health`, { signal: request(main).signal });
    await response.body?.cancel();
    const here = (began + Date.now()) / 2;
    const there = Date.parse(response.headers.get('date') ?? '') + 500;
    const ahead = here - there;
    if (Number.isNaN(ahead))
      return warn(
        'clock',
        'the main node sends no Date',
        'Compare both clocks by hand: `date -u`.',
      );
    const detail = `${(Math.abs(ahead) / 1000).toFixed(1)} s ${ahead > 0 ? 'ahead of' : 'behind'} the main node`;
    if (Math.abs(ahead) <= CLOCK_MS) return ok('clock', detail);
    return fail(
      'clock',
      detail,
      'Set the clock: `sudo timedatectl set-ntp true` (Linux), `sudo sntp -sS time.apple.com` (macOS); in a virtual machine, that of its host.',
    );
  } catch (error) {
    return warn('clock', `not compared: ${words(error)}`, fixOf(error, main));
  }
}

/** Registers as the worker would, and opens its connection. Not while that worker runs. */
export async function checkJoin(input: RegisterInput): Promise<Finding[]> {
  const { mainUrl, apiKey } = input;
  try {
    const reply = await registerOnce(input, AbortSignal.timeout(TIMEOUT_MS));
    const joined = ok(
      'join',
      `${reply.nodeId} may register in network ${reply.genesis.slice(0, 8)}`,
    );
    const lease = await askMain(HeartbeatResponse, {
      ...request({ mainUrl, apiKey }),
      path: '/gpu/heartbeat',
      body: { nodeId: reply.nodeId, now: Date.now() },
      bearer: reply.lease.token,
    });
    return [joined, await checkRedis(reply, lease.lease.ttlMs)];
  } catch (error) {
    return [fail('join', words(error), fixOf(error, input))];
  }
}

async function checkRedis(
  { redisUrl, redisCa }: { redisUrl: string; redisCa?: string | undefined },
  timeoutMs: number,
): Promise<Finding> {
  const { hostname, port, protocol } = new URL(redisUrl);
  const where = `${hostname}:${port || 6379}`;
  let problem = '';
  const logger = {
    ...quiet,
    warn: (fields: object) => {
      problem = String((fields as { problem?: unknown }).problem ?? problem);
    },
  };
  const access = new NodeAccess({
    redisUrl,
    redisCa,
    logger,
    onRefused: (reason) => {
      problem = reason;
    },
  });
  const redis = access.connect('doctor');
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<null>((resolve) => {
    timer = setTimeout(() => resolve(null), Math.min(TIMEOUT_MS / 3, timeoutMs));
  });
  const began = performance.now();
  try {
    const pong = await Promise.race([redis.ping(), late]);
    const ms = Math.round(performance.now() - began);
    if (pong)
      return ok(
        'redis',
        `${where} answers in ${ms} ms${protocol === 'rediss:' ? ', with TLS' : ''}`,
      );
  } catch (error) {
    problem ||= words(error);
  } finally {
    clearTimeout(timer);
    await disconnect(redis);
  }
  return fail(
    'redis',
    `${where} does not answer${problem ? ` (${problem})` : ''}`,
    `Let this machine reach ${where} by TCP. If that is an address of the main node's inside, its admin has to set NODE_REDIS_PUBLIC_URL to one that workers can reach.`,
  );
}

const request = ({ mainUrl }: Main) => ({ mainUrl, signal: AbortSignal.timeout(TIMEOUT_MS) });
