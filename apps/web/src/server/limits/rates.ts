/** Requests and tokens a minute, counted in Redis, so that a restart forgets nothing. */
import type { Redis } from '@blyan/queue/connection';
import { LIMIT_PREFIX } from '@blyan/queue/names';
import { RateLimiterRedis, RateLimiterRes } from 'rate-limiter-flexible';

const WINDOW_S = 60;

/** What is counted. */
export type Counted = 'requests' | 'tokens';

export interface Spent {
  ok: boolean;
  limit: number;
  remaining: number;
  /** Ms until all of the limit is there again. */
  resetMs: number;
}

export class Rates {
  readonly #redis: Redis;
  /** A limiter knows one limit. There are as many as there are different limits of keys. */
  readonly #limiters = new Map<string, RateLimiterRedis>();

  constructor(redis: Redis) {
    this.#redis = redis;
  }

  /**
   * Counts, or refuses and counts nothing but `used`. The minute begins with the first request in it.
   * @param who whose limit it is
   * @param limit 1 or more
   * @param used so many of the points are used already, whatever comes of it
   * @throws Error of ioredis when Redis does not answer
   */
  async spend(
    counted: Counted,
    who: string,
    limit: number,
    points: number,
    used = 0,
  ): Promise<Spent> {
    const limiter = this.#limiter(counted, limit);
    try {
      const { remainingPoints, msBeforeNext } = await limiter.consume(who, points);
      return { ok: true, limit, remaining: remainingPoints, resetMs: msBeforeNext };
    } catch (refused) {
      if (!(refused instanceof RateLimiterRes)) throw refused;
      // It has counted all the same: a smaller request may still fit.
      const { remainingPoints, msBeforeNext } = await limiter.reward(who, points - used);
      return { ok: false, limit, remaining: remainingPoints, resetMs: msBeforeNext };
    }
  }

  /** Counts what was used, also beyond the limit. */
  async use(counted: Counted, who: string, limit: number, points: number): Promise<void> {
    await this.#limiter(counted, limit).penalty(who, points);
  }

  /** What is left, without counting anything. */
  async left(counted: Counted, who: string, limit: number): Promise<Spent> {
    const known = await this.#limiter(counted, limit).get(who);
    const remaining = known ? Math.max(known.remainingPoints, 0) : limit;
    return { ok: remaining > 0, limit, remaining, resetMs: known?.msBeforeNext ?? 0 };
  }

  #limiter(counted: Counted, limit: number): RateLimiterRedis {
    const name = `${counted}:${limit}`;
    const known = this.#limiters.get(name);
    if (known) return known;
    const limiter = new RateLimiterRedis({
      storeClient: this.#redis,
      keyPrefix: `${LIMIT_PREFIX}:${counted}`,
      points: limit,
      duration: WINDOW_S,
    });
    this.#limiters.set(name, limiter);
    return limiter;
  }
}
