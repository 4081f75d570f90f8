/**
 * What readers, nodes and tables are told along the way. Only the last event of an answer waits for it,
 * and nothing depends on it: a lost phase is only not shown, a node that was not told to stop is fenced
 * all the same.
 */
import type { AnswerEvent } from '@blyan/protocol/answer';
import type { NodeControl } from '@blyan/protocol/node';
import type { AnswerWriter } from '@blyan/queue/answer-stream';
import type { NodeQueues } from '@blyan/queue/node-queue';
import type { Answer } from './answer.ts';
import { Appends } from './appends.ts';
import { isForged } from './errors.ts';
import type { Logger } from './logger.ts';
import type { RequestStore } from './request-store.ts';

export interface TellerDeps {
  store: RequestStore;
  writer: AnswerWriter;
  queues: NodeQueues;
  tellNode(nodeId: string, message: NodeControl): Promise<void>;
  logger: Logger;
}

type Phase = Extract<AnswerEvent, { type: 'phase' }>;

export class Teller {
  readonly #deps: TellerDeps;
  readonly #lied: (nodeId: string, problem: string) => void;
  readonly #appends: Appends;
  /** Stale attempts whose nodes were told to stop, since `forget`. */
  readonly #stale = new Set<string>();

  /** @param lied a node has spoiled its queue */
  constructor(deps: TellerDeps, lied: (nodeId: string, problem: string) => void) {
    this.#deps = deps;
    this.#lied = lied;
    this.#appends = new Appends(deps);
  }

  /**
   * Appends to the canonical stream. Tokens that could not be stored are a gap that readers notice; the
   * row has them all the same, and readers turn to it.
   */
  append(answer: Answer, event: AnswerEvent): void {
    this.#appends.append(answer.id, event, countBefore(answer, event));
  }

  /** Resolves when no event of the answer waits to be stored again. */
  appended({ id }: Answer): Promise<void> {
    return this.#appends.settled(id);
  }

  /** Tells readers a phase if it is another one, and not more often than `everyMs`. */
  phase(answer: Answer, phase: Phase, everyMs = 0): void {
    const text = JSON.stringify(phase);
    const now = performance.now();
    if (text === answer.phase || now - answer.phaseAt < everyMs) return;
    answer.phase = text;
    answer.phaseAt = now;
    this.append(answer, phase);
  }

  /**
   * Takes an attempt from its node: by a message, which is refused where another coordinator leads, and
   * only then out of the queue.
   */
  drop(nodeId: string, requestId: string, attempt: number): void {
    const fields = { nodeId, requestId, attempt };
    const { queues, tellNode } = this.#deps;
    const dropped = tellNode(nodeId, { type: 'cancel', requestId, attempt })
      .then(() => queues.remove(nodeId, requestId, attempt))
      .catch((error: unknown) => {
        if (!isForged(error)) throw error;
        this.#lied(nodeId, error.message);
      });
    this.#try('an attempt was not taken from its node', fields, dropped);
  }

  /** A node works on what is not its own any more; told once per `forget`. */
  stale(nodeId: string, { requestId, attempt }: { requestId: string; attempt: number }): void {
    const key = `${nodeId}/${requestId}/${attempt}`;
    if (this.#stale.has(key)) return;
    this.#stale.add(key);
    const told = this.#deps.tellNode(nodeId, { type: 'cancel', requestId, attempt });
    this.#try('a node was not told to stop', { nodeId, requestId, attempt }, told);
  }

  forget(): void {
    this.#stale.clear();
  }

  closeAttempt({ id, attempt }: Answer, outcome: string): void {
    const closed = this.#deps.store.closeAttempt(id, attempt, outcome);
    this.#try('an attempt was not closed', { requestId: id, attempt }, closed);
  }

  #try(message: string, fields: object, doing: Promise<unknown>): void {
    doing.catch((error: Error) => {
      this.#deps.logger.warn({ ...fields, problem: error.message }, message);
    });
  }
}

const countBefore = ({ tokens }: Answer, event: AnswerEvent) =>
  event.type === 'tokens' ? event.position : tokens.length;
