/**
 * Round trips between nodes, as they were last measured. A node measures the way to its successor in a
 * pipeline, and only while that exists: if that were all that is known, each plan that is tried would
 * look worse than those that are not, wherever the ways are longer than a guess, and the plan would
 * never stay.
 */

/** Round trip of two machines of one region, ms: taken for all pairs while none was measured. */
const UNMEASURED_MS = 4;

export class Links {
  /** By the ids of both, in both directions. */
  readonly #ms = new Map<string, Map<string, number>>();

  /** It is the same from either side. */
  set(a: string, b: string, ms: number): void {
    this.#from(a).set(b, ms);
    this.#from(b).set(a, ms);
  }

  /** Of one node, by the ids of others, ms. */
  of(id: string): ReadonlyMap<string, number> {
    return this.#ms.get(id) ?? new Map();
  }

  /** What is taken for a pair that was never measured: the median of those that were, ms. */
  get usualMs(): number {
    const known = [...this.#ms.values()].flatMap((links) => [...links.values()]);
    known.sort((a, b) => a - b);
    return known[known.length >> 1] ?? UNMEASURED_MS;
  }

  /** Forgets nodes that are not known any more. */
  keep(isKnown: (id: string) => boolean): void {
    for (const [id, links] of this.#ms) {
      for (const other of links.keys()) if (!isKnown(other)) links.delete(other);
      if (links.size === 0 || !isKnown(id)) this.#ms.delete(id);
    }
  }

  #from(id: string): Map<string, number> {
    const links = this.#ms.get(id) ?? new Map<string, number>();
    this.#ms.set(id, links);
    return links;
  }
}
