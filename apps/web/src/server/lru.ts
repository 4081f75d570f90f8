/** Values by key, the one that was used longest ago dropped first. For what never changes under its key. */
export class Lru<V> {
  /** In the order of their last use. */
  readonly #values = new Map<string, V>();
  readonly #most: number;
  readonly #sizeOf: (value: V) => number;
  #size = 0;

  /** @param options.most sum of the sizes that is kept, in whatever `sizeOf` counts */
  constructor(options: { most: number; sizeOf: (value: V) => number }) {
    this.#most = options.most;
    this.#sizeOf = options.sizeOf;
  }

  get(key: string): V | undefined {
    const value = this.#values.get(key);
    if (value === undefined) return undefined;
    this.#values.delete(key);
    this.#values.set(key, value);
    return value;
  }

  /** A value that is larger than all that is kept is not. */
  set(key: string, value: V): void {
    this.#drop(key);
    const size = this.#sizeOf(value);
    if (size > this.#most) return;
    this.#values.set(key, value);
    this.#size += size;
    for (const oldest of this.#values.keys()) {
      if (this.#size <= this.#most) return;
      this.#drop(oldest);
    }
  }

  #drop(key: string): void {
    const value = this.#values.get(key);
    if (value === undefined) return;
    this.#values.delete(key);
    this.#size -= this.#sizeOf(value);
  }
}
