/**
 * When a node is cut off for what it wrote. A lie is what no honest node can write, whatever is lost
 * on the way: once is enough. Other breaches have honest causes too (events lost with a connection, a
 * newer version of the worker): they count when they pile up.
 */
import type { Logger } from './logger.ts';

/** Breaches in a window that no bad network explains: each lost connection makes one at most. */
const MAX_BREACHES = 5;
const WINDOW_MS = 600_000;

export interface Breach {
  problem: string;
  lie: boolean;
}

export interface DistrustDeps {
  /** Cuts the node off, for good. */
  mark(nodeId: string, why: string): Promise<void>;
  logger: Logger;
}

export class Distrust {
  readonly #deps: DistrustDeps;
  /** Monotonic ms of each node's breaches. */
  readonly #breaches = new Map<string, number[]>();

  constructor(deps: DistrustDeps) {
    this.#deps = deps;
  }

  breach(nodeId: string, { problem, lie }: Breach, now = performance.now()): void {
    const recent = (this.#breaches.get(nodeId) ?? []).filter((at) => now - at < WINDOW_MS);
    recent.push(now);
    this.#breaches.set(nodeId, recent);
    if (!lie && recent.length < MAX_BREACHES) return;
    this.#breaches.delete(nodeId);
    const why = lie ? problem : `${problem}, the last of ${recent.length} breaches in 10 minutes`;
    this.#deps.mark(nodeId, why).catch((error: Error) => {
      this.#deps.logger.error({ nodeId, problem: error.message }, 'a node could not be marked');
    });
  }
}
