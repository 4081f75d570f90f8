/** Time in which we could not listen must not count against the nodes. */
import type { Redis } from '@blyan/queue/connection';
import { LATE_TICK_MS, TICK_MS } from './limits.ts';
import type { NodeRegistry } from './nodes.ts';

export class TickClock {
  readonly #redis: Pick<Redis, 'status'>;
  readonly #nodes: Pick<NodeRegistry, 'forgive'>;
  #last: number;

  constructor(
    redis: Pick<Redis, 'status'>,
    nodes: Pick<NodeRegistry, 'forgive'>,
    now = performance.now(),
  ) {
    this.#redis = redis;
    this.#nodes = nodes;
    this.#last = now;
  }

  /** To be called before each tick. */
  before(now = performance.now()): void {
    const gap = now - this.#last;
    this.#last = now;
    if (this.#redis.status !== 'ready') this.#nodes.forgive(gap);
    // What a tick may take counts: else a busy coordinator would never notice a death.
    else if (gap > LATE_TICK_MS) this.#nodes.forgive(gap - TICK_MS);
  }
}
