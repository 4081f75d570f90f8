/** `/ready`: each part that a question needs, checked now. */
import type { ClusterStatus } from '@blyan/protocol/cluster';
import type { Readiness } from '@blyan/protocol/rest/server';
import { answers as redisAnswers } from '@blyan/queue/connection';
import { availability, describe, describeLoading, freshCluster, servedHashes } from './cluster.ts';
import type { Context } from './context.ts';
import { toApiError } from './http/errors.ts';

type Check = Readiness['checks']['database'];

/** A check that hangs is a failed check. */
const CHECK_TIMEOUT_MS = 2000;

const good: Check = { ok: true, reason: null };
const bad = (reason: string): Check => ({ ok: false, reason });

async function within<T>(work: Promise<T>, otherwise: T): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<T>((resolve) => {
    timer = setTimeout(() => resolve(otherwise), CHECK_TIMEOUT_MS);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

export async function readiness(ctx: Context): Promise<Readiness> {
  const [database, redisUp] = await Promise.all([
    within(
      ctx.db.$queryRaw`SELECT 1`.then(
        () => good,
        () => bad('PostgreSQL does not answer.'),
      ),
      bad('PostgreSQL does not answer in time.'),
    ),
    redisAnswers(ctx.redis, CHECK_TIMEOUT_MS),
  ]);
  const redis = redisUp ? good : bad('Redis does not answer.');
  const unknown = bad('Not checked, because something that it needs is down.');
  const checks = { database, redis, coordinator: unknown, model: unknown, worker: unknown };

  const cluster = redis.ok ? await freshCluster(ctx.redis) : null;
  const model = database.ok
    ? await within(findModel(ctx, cluster), bad('The chain does not answer.'))
    : unknown;
  checks.model = 'hash' in model ? good : model;
  if (redis.ok) {
    checks.coordinator = cluster ? good : bad('The coordinator is not running.');
    if (cluster && 'hash' in model) checks.worker = checkWorker(availability(cluster, model.hash));
  }
  const failed = Object.values(checks).filter((check) => !check.ok);
  // What was not checked says nothing new beside the reason why.
  const reasons = failed.filter((check) => check !== unknown).map((check) => check.reason);
  return {
    ready: failed.length === 0,
    checks,
    model: 'hash' in model ? model.name : null,
    reason: reasons.length > 0 ? reasons.join(' ') : null,
  };
}

async function findModel(
  ctx: Context,
  cluster: ClusterStatus | null,
): Promise<Check | { hash: string; name: string }> {
  try {
    const { hash, name } = await ctx.models.resolve(null, servedHashes(cluster));
    return { hash, name };
  } catch (error) {
    return bad(toApiError(error).message);
  }
}

function checkWorker(state: ReturnType<typeof availability>): Check {
  if (state.state === 'ready') return good;
  if (state.state === 'unavailable') return bad(describe(state));
  return bad(
    `The worker is loading the model${state.progress ? ` (${describeLoading(state.progress)})` : ''}.`,
  );
}
