/** Lets reads run side by side, and hands their results on in the order in which they began. */
export class InOrder {
  #last: Promise<void> = Promise.resolve();

  /** What `work` gives or throws, once everything handed in before has settled. */
  async next<T>(work: Promise<T>): Promise<T> {
    const turn = Promise.allSettled([this.#last, work]).then(() => undefined);
    this.#last = turn;
    await turn;
    return work;
  }
}
