import type { Answer } from './answer.ts';

/** Answers that wait for a node, oldest request first: who moves on keeps their place. */
export class WaitingLine {
  readonly #line: Answer[] = [];

  get size(): number {
    return this.#line.length;
  }
  /** A copy: the line changes while it is walked through. */
  list(): Answer[] {
    return [...this.#line];
  }
  add(answer: Answer): void {
    const { createdAt } = answer.input;
    const at = this.#line.findIndex(({ input }) => input.createdAt > createdAt);
    if (at < 0) this.#line.push(answer);
    else this.#line.splice(at, 0, answer);
  }
  delete(answer: Answer): void {
    const at = this.#line.indexOf(answer);
    if (at >= 0) this.#line.splice(at, 1);
  }
}
