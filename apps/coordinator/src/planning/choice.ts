/** Whether a better plan takes the place of the one in use: moving costs minutes of loading. */
import { GAIN_LASTS_MS } from '../limits.ts';
import type { Pipeline } from './fleet.ts';
import type { Replan } from './plan.ts';

export class Choice {
  /** Monotonic ms since which each look has found a better plan. */
  #betterSince: number | null = null;

  /**
   * A better plan moves what serves, and rests on measured speeds: at once only if it makes more
   * pipelines of the nodes, else when it has been better for a while.
   */
  of({ plan, better }: Replan, now: number): Pipeline[] {
    if (better === null) this.#betterSince = null;
    else this.#betterSince ??= now;
    const lasts = this.#betterSince !== null && now - this.#betterSince >= GAIN_LASTS_MS;
    if (better === null || !(lasts || better.length > plan.length)) return plan;
    this.#betterSince = null;
    return better;
  }
}
