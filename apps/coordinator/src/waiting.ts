import type { AnswerEvent } from '@blyan/protocol/answer';
import type { Answer } from './answer.ts';
import type { Outlook } from './nodes.ts';
import type { Outcome } from './outcome.ts';

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

type Phase = Extract<AnswerEvent, { type: 'phase' }>;

/**
 * What to tell a waiting answer's readers, or how it ends.
 *
 * @param late no node could serve it for longer than is waited
 */
export function whileWaiting(
  { tries, problem }: Answer,
  outlook: Outlook,
  { ahead, late }: { ahead: number; late: boolean },
): Phase | Extract<Outcome, { type: 'error' }> {
  switch (outlook.kind) {
    case 'ready':
      return { type: 'phase', phase: 'queued', ahead };
    case 'failed':
      return { type: 'error', code: 'model_unavailable', message: outlook.reason };
    case 'loading':
    case 'none': {
      // A worker that loads is worth waiting for, but an answer that had begun never stands still.
      const patient = outlook.kind === 'loading' && tries === 0;
      if (patient || !late) return { type: 'phase', phase: 'waiting', reason: outlook.reason };
      const lost = problem ? `${problem}, and ` : '';
      return { type: 'error', code: 'no_worker', message: lost + outlook.reason };
    }
  }
}
