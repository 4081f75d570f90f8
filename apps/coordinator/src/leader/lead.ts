/**
 * Leads whenever it can: stands by until the lease is free, serves while it holds it, and stands by
 * again when it lost it. Of all that runs as `serve` nothing depends on noticing the loss in time:
 * the writes themselves are refused.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Term } from '@blyan/queue/term';
import type { Logger } from '../logger.ts';
import type { Lease } from './lease.ts';

export interface LeadOptions {
  /** Pause between two tries to get the lease. */
  standbyMs: number;
  /** Pause between two renewals. */
  renewMs: number;
  /** So long without an answer of Redis, and another one may lead. */
  silentMs: number;
}

export interface LeadDeps {
  lease: Lease;
  logger: Logger;
  /** Highest number of a term that was seen elsewhere. */
  lastTerm(): Promise<bigint>;
  /** Whether Redis answers now. */
  reachesRedis(): Promise<boolean>;
  /** Starts what a leader does; disposing stops it. */
  serve(term: Term): Promise<AsyncDisposable>;
}

/** Returns once it leads or stands by; disposing stops, and lets the next one in. */
export async function lead(options: LeadOptions, deps: LeadDeps): Promise<AsyncDisposable> {
  const stop = new AbortController();
  let settled = (): void => undefined;
  const first = new Promise<void>((resolve) => {
    settled = resolve;
  });
  const running = turns(options, deps, stop.signal, () => settled());
  await first;
  return {
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

async function turns(
  { standbyMs, renewMs, silentMs }: LeadOptions,
  { lease, logger, lastTerm, reachesRedis, serve }: LeadDeps,
  stop: AbortSignal,
  settled: () => void,
): Promise<void> {
  let standingBy = false;
  while (!stop.aborted) {
    const token = await acquire();
    if (token !== null) {
      standingBy = false;
      await turn(token);
    } else if (!standingBy) {
      standingBy = true;
      logger.info({}, 'standing by: another coordinator leads');
    }
    settled();
    await sleep(standbyMs, undefined, { signal: stop }).catch(() => undefined);
  }

  async function acquire(): Promise<bigint | null> {
    try {
      return await lease.acquire(await lastTerm());
    } catch (error) {
      logger.warn({ problem: (error as Error).message }, 'cannot ask for the lease');
      return null;
    }
  }

  async function turn(token: bigint): Promise<void> {
    const over = new AbortController();
    let silent = false;
    const term = { token, deposed: () => over.abort() };
    const ends = AbortSignal.any([stop, over.signal]);
    const renewing = renew(token, ends, (redis) => {
      silent = redis === 'silent';
      over.abort();
    });
    try {
      const service = await serve(term);
      logger.info({ term: String(token) }, 'leading');
      settled();
      await aborted(ends);
      if (over.signal.aborted && !silent)
        logger.warn({ term: String(token) }, 'another coordinator leads');
      await service[Symbol.asyncDispose]();
    } catch (error) {
      logger.error({ term: String(token), problem: (error as Error).message }, 'cannot lead');
    } finally {
      over.abort();
      await renewing;
      await lease.release(token).catch((error: Error) => {
        logger.warn({ problem: error.message }, 'the lease was not given back');
      });
    }
  }

  /**
   * While Postgres does not answer, nobody else can begin a term either: it goes on. While Redis does not
   * answer us, another one may still reach it: we stop renewing, and cannot ask for the lease again before it
   * answers.
   */
  async function renew(
    token: bigint,
    ends: AbortSignal,
    over: (redis?: 'silent') => void,
  ): Promise<void> {
    let answered = performance.now();
    while (!ends.aborted) {
      await sleep(renewMs, undefined, { signal: ends }).catch(() => undefined);
      if (ends.aborted) return;
      // Not waited for: the lease is not to lapse meanwhile.
      void reachesRedis().then((reached) => {
        if (reached) answered = performance.now();
      });
      if (performance.now() - answered > silentMs) {
        logger.error({ term: String(token) }, 'Redis does not answer this coordinator');
        return over('silent');
      }
      try {
        if (!(await lease.renew(token))) over();
      } catch (error) {
        logger.warn({ problem: (error as Error).message }, 'cannot renew the lease');
      }
    }
  }
}

const aborted = (signal: AbortSignal) =>
  new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
