/** What an operator's key is good for, and how the nodes are that registered with it. */
import { keyOfSecret } from '@blyan/db/node-keys';
import type { GpuStatus } from '@blyan/protocol/register';
import { freshCluster } from '../cluster.ts';
import { countAttempt } from './attempts.ts';
import type { GateDeps } from './deps.ts';
import { addressOf, keyOf, keyRefused, knowMachineKey, refused } from './key.ts';

/** @throws ApiError 401, 403 as a registration with this key; 429 too_many_attempts */
export async function gpuStatus(headers: Headers, deps: GateDeps): Promise<GpuStatus> {
  const { db, redis } = deps;
  const address = addressOf(headers);
  await countAttempt(redis, address);
  const secret = keyOf(headers);
  await knowMachineKey(secret, deps);
  const check = await keyOfSecret(db, secret);
  if (!check.ok) {
    throw await refused(keyRefused(check.reason), { address, key: check.key?.name }, deps);
  }
  const { key } = check;
  const [rows, cluster] = await Promise.all([
    db.node.findMany({ where: { keyId: key.id }, orderBy: { id: 'asc' } }),
    freshCluster(redis),
  ]);
  return {
    key: {
      name: key.name,
      prefix: key.prefix,
      scopes: key.scopes as GpuStatus['key']['scopes'],
      maxNodes: key.maxNodes,
      expiresAt: key.expiresAt?.getTime() ?? null,
    },
    nodes: rows.map((row) => {
      const seen = cluster?.nodes.find(({ id }) => id === row.id);
      return {
        id: row.id,
        version: row.version,
        registeredAt: row.registeredAt.getTime(),
        leaseUntil: row.leaseUntil?.getTime() ?? null,
        draining: row.draining,
        evicted: row.evictedAt !== null,
        mark: row.mark,
        alive: seen?.alive ?? false,
        running: seen?.running ?? 0,
        status: seen?.status ?? null,
      };
    }),
  };
}
