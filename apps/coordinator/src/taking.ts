/** Takes requests in: by the ids that the intake queue delivers, and by what Postgres has. */
import { type Answers, finishReason } from './answers.ts';
import { InOrder } from './in-order.ts';
import { type OpenDeps, openAnswer } from './recovery.ts';
import type { Teller } from './tell.ts';

export interface TakingDeps extends OpenDeps {
  answers: Answers;
  tell: Teller;
  pump(): void;
}

export class Taking {
  readonly #deps: TakingDeps;
  readonly #taking = new Map<string, Promise<void>>();
  /** A row that is read slowly must not let a later request overtake it. */
  readonly #arrivals = new InOrder();
  #stopped = false;

  constructor(deps: TakingDeps) {
    this.#deps = deps;
  }

  /** Takes a request by its id; unknown, ended and known ones are no news. */
  take(id: string): Promise<void> {
    if (this.#deps.answers.get(id) || this.#stopped) return Promise.resolve();
    let taking = this.#taking.get(id);
    if (!taking) {
      taking = this.#take(id).finally(() => this.#taking.delete(id));
      this.#taking.set(id, taking);
    }
    return taking;
  }

  async #take(id: string): Promise<void> {
    const { store, answers, tell, pump } = this.#deps;
    const request = await this.#arrivals.next(store.open(id));
    const opened = request && (await openAnswer(request, this.#deps));
    if (!opened || this.#stopped) return;
    const { answer, ended, complete, corrupt, cancelled } = opened;
    answers.add(answer);
    if (ended) return answers.complete(answer, ended);
    const last = answer.segments.at(-1);
    if (last) tell.drop(last.nodeId, id, last.attempt);
    if (corrupt) {
      const message = 'the stored part of the answer contradicts itself';
      answers.end(answer, { type: 'error', code: 'answer_corrupt', message });
    } else if (cancelled) answers.end(answer, { type: 'finish', reason: 'cancelled' });
    else if (complete) answers.end(answer, { type: 'finish', reason: finishReason(complete) });
    else {
      if (answer.attempt > 0) answer.problem = 'the coordinator was restarted';
      answers.wait(answer);
      pump();
    }
  }

  /** All requests that have not ended, as Postgres knows them. */
  async recover(): Promise<void> {
    for (const id of await this.#deps.store.openIds()) {
      await this.take(id).catch((error: Error) => {
        this.#deps.logger.error({ requestId: id, problem: error.message }, 'cannot take a request');
      });
    }
  }

  /** Takes nothing more; resolves when what was begun is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled(this.#taking.values());
  }
}
