/** How fast an engine is, of what it really does. */

/** Weight of the newest step in the average. */
const NEWEST = 0.1;

export class Meter {
  #bytesPerSecond: number | null = null;
  #tokens = 0;
  #since = performance.now();

  /** A decode run took so long, and went through so many bytes of stored weights. */
  step(ms: number, bytes: number): void {
    if (ms <= 0) return;
    const speed = (bytes / ms) * 1000;
    const old = this.#bytesPerSecond;
    this.#bytesPerSecond = old === null ? speed : old + NEWEST * (speed - old);
  }

  tokens(count: number): void {
    this.#tokens += count;
  }

  /** Null before the first step. */
  get bytesPerSecond(): number | null {
    return this.#bytesPerSecond;
  }

  /** Since the last call. */
  tokensPerSecond(): number {
    const now = performance.now();
    const rate = (this.#tokens * 1000) / Math.max(1, now - this.#since);
    this.#tokens = 0;
    this.#since = now;
    return rate;
  }
}
