import type { Context } from '../context.ts';

/** What of the context the routes of nodes use. */
export type GateDeps = Pick<Context, 'db' | 'redis' | 'nodeRedis' | 'nodeRedisCa' | 'logger'> & {
  config: Pick<Context['config'], 'apiKey' | 'nodeRedisPublicUrl'>;
  models: Pick<Context['models'], 'genesis'>;
};
