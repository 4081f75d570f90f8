/** What the admin command does. Each result is a value for --json and lines for people. */
import { createInvite, listAdmins, removeAdmin, setupPath } from '@blyan/db/admins';
import { type Actor, listAudit } from '@blyan/db/audit-log';
import type { Db } from '@blyan/db/client';
import { drainNode, evictNode, liftNode } from '@blyan/db/node-admin';
import {
  createNodeKey,
  disableNodeKey,
  editNodeKey,
  enableNodeKey,
  findNodeKey,
  type KeyChange,
  type KeyInfo,
  keyState,
  listNodeKeys,
  MAX_NODES,
  revokeNodeKey,
  rotateNodeKey,
} from '@blyan/db/node-keys';
import type { ClusterStatus } from '@blyan/protocol/cluster';
import { readCluster } from '@blyan/queue/cluster';
import type { Redis } from '@blyan/queue/connection';
import { tellNode } from '@blyan/queue/control';
import { cutNode } from '@blyan/queue/cut-node';
import { CommandError } from '../command.ts';
import {
  type ActionName,
  type AdminArgs,
  parseActor,
  parseAddresses,
  parseExpiry,
  parseGraceDays,
  parseKeyState,
  parseLimit,
  parseScopes,
  wholeNumber,
} from './args.ts';
import { table } from './table.ts';

interface AdminDeps {
  db: Db;
  redis: Redis;
  actor: Actor;
  /** Address under which browsers reach the web app. */
  publicUrl: string;
}

export interface Output {
  value: unknown;
  text: string;
}

type Action = (args: AdminArgs, deps: AdminDeps) => Promise<Output>;

/** @throws CommandError, DbError, QueueError */
export const runAdmin: Action = (args, deps) => RUN[args.action](args, deps);

const RUN: Record<ActionName, Action> = {
  async 'keys list'({ options }, { db }) {
    const wanted = options.state === undefined ? null : parseKeyState(options.state);
    const search = options.search?.toLowerCase() ?? '';
    const keys = (await listNodeKeys(db)).map(shown);
    const value = keys.filter(
      (key) => (!wanted || key.state === wanted) && SEARCHED.some((name) => has(key[name], search)),
    );
    const none = keys.length === 0 ? 'There is no key.' : 'No key fits.';
    return { value, text: table(value, KEY_COLUMNS, none) };
  },

  async 'keys create'({ options }, { db, actor }) {
    if (!options.name) throw new CommandError('--name is missing: a name for the new key.');
    const input = {
      name: options.name,
      scopes: parseScopes(options.scopes ?? 'serve'),
      maxNodes: wholeNumber('max-nodes', options['max-nodes'] ?? '1', MAX_NODES),
      addresses: parseAddresses(options.addresses ?? 'any'),
      expiresAt: parseExpiry(options.expires ?? '90d', Date.now()),
    };
    const { secret, key } = await createNodeKey(db, input, actor);
    return withSecret(key, secret, []);
  },

  async 'keys edit'({ subject, options }, deps) {
    const { name, expires, addresses, 'max-nodes': nodes } = options;
    const limits = {
      ...(name !== undefined && { name }),
      ...(nodes !== undefined && { maxNodes: wholeNumber('max-nodes', nodes, MAX_NODES) }),
      ...(expires !== undefined && { expiresAt: parseExpiry(expires, Date.now()) }),
      ...(addresses !== undefined && { addresses: parseAddresses(addresses) }),
    };
    if (Object.keys(limits).length === 0)
      throw new CommandError('Say what to change: --name, --max-nodes, --expires or --addresses.');
    const { id } = await findNodeKey(deps.db, subject);
    return await changed(deps, 'changed', editNodeKey(deps.db, { id, ...limits }, deps.actor));
  },

  async 'keys rotate'({ subject, options }, deps) {
    const { id } = await findNodeKey(deps.db, subject);
    const graceDays = parseGraceDays(options.grace ?? '7d');
    const { secret, key, cut } = await rotateNodeKey(deps.db, { id, graceDays }, deps.actor);
    await cutAll(deps.redis, cut);
    return withSecret(key, secret, cut);
  },

  'keys disable': async ({ subject }, deps) => {
    const { id } = await findNodeKey(deps.db, subject);
    return await changed(deps, 'disabled', disableNodeKey(deps.db, id, deps.actor));
  },
  'keys enable': async ({ subject }, deps) => {
    const { id } = await findNodeKey(deps.db, subject);
    return await changed(deps, 'enabled', enableNodeKey(deps.db, id, deps.actor));
  },
  'keys revoke': async ({ subject, options }, deps) => {
    const { id } = await findNodeKey(deps.db, subject);
    const typed = options.confirm ?? '';
    return await changed(deps, 'revoked', revokeNodeKey(deps.db, { id, typed }, deps.actor));
  },

  async 'nodes list'(_, { db, redis }) {
    const [rows, cluster] = await Promise.all([
      db.node.findMany({
        include: { key: { select: { name: true } } },
        orderBy: { lastSeenAt: 'desc' },
      }),
      readCluster(redis),
    ]);
    const live = new Map(cluster?.nodes.map((node) => [node.id, node]));
    const names = await modelNames(db, cluster);
    const value = rows.map(({ id, key, ...row }) => {
      const node = live.get(id);
      const state = !node ? 'gone' : node.alive ? node.status.state : 'silent';
      // What it said last says nothing of now.
      const { model, layers, load, capacity, slots } = (node?.alive && node.status) || {};
      return {
        id,
        state: row.evictedAt ? 'evicted' : state,
        key: key?.name ?? null,
        version: row.version,
        address: row.address,
        model: model ? { hash: model, name: names.get(model) ?? null } : null,
        layers: layers ?? null,
        memoryBytes: capacity?.memoryBytes ?? null,
        residentBytes: load?.residentBytes ?? null,
        running: node?.alive ? node.running : null,
        waiting: load?.waiting ?? null,
        slots: slots ?? null,
        tokensPerSecond: load?.tokensPerSecond ?? null,
        draining: row.draining,
        mark: row.mark,
        seenAt: node ? new Date(node.seen) : row.lastSeenAt,
      };
    });
    const lines = value.map(({ model, layers, residentBytes, memoryBytes, ...node }) => ({
      ...node,
      model: model && (model.name ?? model.hash.slice(0, 8)),
      layers: layers?.join('-'),
      memory: memoryBytes === null ? null : `${gib(residentBytes ?? 0)} of ${gib(memoryBytes)} GiB`,
    }));
    return { value, text: table(lines, NODE_COLUMNS, 'No node has ever registered.') };
  },

  async 'nodes drain'({ subject: id }, { db, redis, actor }) {
    await drainNode(db, id, true, actor);
    await tellNode(redis, id, { type: 'drain' });
    return { value: { id, draining: true }, text: `${id} finishes its work and takes no more.` };
  },
  async 'nodes evict'({ subject: id }, { db, redis, actor }) {
    await evictNode(db, id, actor);
    await cutAll(redis, [id]);
    return { value: { id, evicted: true }, text: `${id} is cut off and may not come back.` };
  },
  async 'nodes lift'({ subject: id }, { db, actor }) {
    await liftNode(db, id, actor);
    return { value: { id, lifted: true }, text: `${id} may work again.` };
  },

  async 'audit list'({ options }, { db }) {
    const filter = {
      search: options.search,
      action: options.action,
      ...(options.actor && { actor: parseActor(options.actor) }),
    };
    const before =
      options.before === undefined
        ? undefined
        : BigInt(wholeNumber('before', options.before, Number.MAX_SAFE_INTEGER));
    const limit = parseLimit(options.limit ?? '50');
    const { entries, next } = await listAudit(db, filter, { before, limit });
    const value = { entries: entries.map((e) => ({ ...e, id: Number(e.id) })), next: num(next) };
    return { value, text: table(value.entries, AUDIT_COLUMNS, 'No entry fits.') };
  },

  async 'admins list'(_, { db }) {
    const value = await listAdmins(db);
    const none = 'There is no admin yet: npm run admin -- admins invite makes a link.';
    return { value, text: table(value, ADMIN_COLUMNS, none) };
  },
  async 'admins invite'(_, { db, actor, publicUrl }) {
    const { token, expiresAt } = await createInvite(db, actor);
    const url = publicUrl + setupPath(token);
    const text = `Works once, until ${expiresAt.toISOString()}:\n${url}`;
    return { value: { url, expiresAt }, text };
  },
  async 'admins remove'({ subject }, { db, actor }) {
    await removeAdmin(db, subject, actor);
    return { value: { email: subject, removed: true }, text: `${subject} is no admin any more.` };
  },
};

const KEY_COLUMNS = [
  'name',
  'id',
  'prefix',
  'state',
  'liveNodes',
  'maxNodes',
  'expiresAt',
  'lastUsedAt',
  'lastNodeId',
  'lastAddress',
] as const;
const NODE_COLUMNS = [
  'id',
  'state',
  'key',
  'model',
  'layers',
  'memory',
  'running',
  'waiting',
  'tokensPerSecond',
  'version',
  'seenAt',
] as const;
const AUDIT_COLUMNS = ['id', 'at', 'action', 'subject', 'actor', 'actorId', 'address'] as const;
const ADMIN_COLUMNS = ['email', 'name', 'twoFactorEnabled', 'createdAt'] as const;

const num = (value: bigint | null) => (value === null ? null : Number(value));
const shown = <K extends KeyInfo>(key: K) => ({ ...key, state: keyState(key) });

/** As the search of the page. */
const SEARCHED = ['name', 'prefix', 'id', 'lastAddress', 'lastNodeId', 'createdBy'] as const;
const has = (text: string | null, search: string) => text?.toLowerCase().includes(search) ?? false;
const gib = (bytes: number) => (bytes / 2 ** 30).toFixed(1);

/** By block hash in hex, of the models that nodes say they serve. */
async function modelNames(db: Db, cluster: ClusterStatus | null): Promise<Map<string, string>> {
  const hashes = new Set(cluster?.nodes.flatMap(({ status }) => status.model ?? []));
  const models = await db.model.findMany({
    where: { hash: { in: [...hashes].map((hash) => Buffer.from(hash, 'hex')) } },
    select: { hash: true, name: true },
  });
  return new Map(models.map(({ hash, name }) => [Buffer.from(hash).toString('hex'), name]));
}

function withSecret(key: KeyInfo, secret: string, cut: string[]): Output {
  const value = { key: shown(key), secret, cut };
  const text = `Key "${key.name}" (${key.id}). Its secret is shown this once:\nBLYAN_API_KEY=${secret}`;
  return { value, text: withCut(text, cut) };
}

async function changed(
  { redis }: AdminDeps,
  what: string,
  change: Promise<KeyChange>,
): Promise<Output> {
  const { key, cut } = await change;
  await cutAll(redis, cut);
  return { value: { key: shown(key), cut }, text: withCut(`"${key.name}" is ${what}.`, cut) };
}

const withCut = (text: string, cut: string[]) =>
  cut.length === 0 ? text : `${text}\nCut off: ${cut.join(', ')}`;

/** Their leases have ended already: a failure leaves nothing open but connections, so it is told. */
async function cutAll(redis: Redis, nodeIds: readonly string[]): Promise<void> {
  await Promise.all(nodeIds.map((id) => cutNode(redis, id)));
}
