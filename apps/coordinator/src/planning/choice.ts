/** Whether a better plan takes the place of the one in use: moving costs minutes of loading. */
import { GAIN_LASTS_MS } from '../limits.ts';
import type { Pipeline } from './fleet.ts';
import type { Replan } from './plan.ts';

export class Choice {
  /** A plan that each look has found better, and since when, monotonic ms. */
  #better: { plan: Pipeline[]; since: number } | null = null;

  /** What the next look compares with first. */
  get candidate(): Pipeline[] | null {
    return this.#better?.plan ?? null;
  }

  /**
   * A better plan moves what serves, and rests on measured speeds: at once only if it makes more
   * pipelines of the nodes, else when the very same one has been better for a while.
   */
  of({ plan, better }: Replan, now: number): Pipeline[] {
    if (better === null) this.#better = null;
    else if (better !== this.#better?.plan) this.#better = { plan: better, since: now };
    const lasts = this.#better !== null && now - this.#better.since >= GAIN_LASTS_MS;
    if (better === null || !(lasts || better.length > plan.length)) return plan;
    this.#better = null;
    return better;
  }
}
