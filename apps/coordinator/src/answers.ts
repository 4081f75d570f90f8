/**
 * The answers in hand: all that have not ended, and those whose end is being written. How one moves
 * between waiting, running and ended is here; who moves it is in the files beside this one.
 */
import type { Answer, Running, TokenEnd } from './answer.ts';
import { membersOf } from './assigning/pipelines.ts';
import { completeRow, type EndingDeps, endAnswer } from './endings.ts';
import { MAX_ATTEMPTS, RETRY_PAUSE_MS } from './limits.ts';
import type { NodeRegistry } from './nodes.ts';
import type { EndEvent, Outcome } from './outcome.ts';
import { WaitingLine } from './waiting.ts';

export interface AnswersDeps extends EndingDeps {
  nodes: NodeRegistry;
  /** Waiting answers may go now: a place has become free, or one more waits. */
  pump(): void;
}

export class Answers {
  readonly waiting = new WaitingLine();
  readonly #deps: AnswersDeps;
  readonly #all = new Map<string, Answer>();
  readonly #ending = new Set<Promise<void>>();

  constructor(deps: AnswersDeps) {
    this.#deps = deps;
  }

  get(id: string): Answer | undefined {
    return this.#all.get(id);
  }
  /** A copy: answers end while it is walked through. */
  list(): Answer[] {
    return [...this.#all.values()];
  }
  add(answer: Answer): void {
    this.#all.set(answer.id, answer);
  }
  /** Those whose present attempt is on a node. */
  on(nodeId: string): Answer[] {
    return this.list().filter((answer) => answer.running?.nodeId === nodeId);
  }

  /** An attempt makes progress. */
  heard(running: Running, now = performance.now()): void {
    running.heard = now;
    running.doubted = false;
  }

  /** Redis was restarted: events that were on their way may be lost, and with them the end of an attempt. */
  doubt(now = performance.now()): void {
    for (const { running } of this.list()) {
      if (running) Object.assign(running, { heard: now, doubted: true });
    }
  }

  wait(answer: Answer): void {
    answer.state = 'waiting';
    this.waiting.add(answer);
  }

  /** Waits again because its dispatch failed: that was no try. */
  putBack(answer: Answer, problem: string, pauseMs: number): void {
    if (answer.running) {
      const { nodeId } = answer.running;
      answer.undelivered++;
      this.#leave(answer);
      // The job may have arrived all the same.
      this.#deps.tell.drop(nodeId, answer.id, answer.attempt);
      this.#deps.tell.closeAttempt(answer, problem);
      answer.problem = problem;
    }
    answer.notBefore = performance.now() + pauseMs;
    this.wait(answer);
  }

  /** Forgets an answer without a word: somebody else has ended or changed it. */
  drop(answer: Answer): void {
    answer.state = 'ended';
    this.#all.delete(answer.id);
  }

  /** Ends the attempt; the answer moves on to another node, or ends when it was tried enough. */
  failAttempt(answer: Answer, problem: string): void {
    const { running, attempt } = answer;
    if (answer.state !== 'running' || !running) return;
    const { tell } = this.#deps;
    this.#leave(answer);
    tell.drop(running.nodeId, answer.id, attempt);
    tell.closeAttempt(answer, problem);
    answer.problem = problem;
    const { tries } = answer;
    if (tries >= MAX_ATTEMPTS) {
      const message = `all ${tries} attempts broke down; the last: ${problem}`;
      this.end(answer, { type: 'error', code: 'attempts_exhausted', message });
      return;
    }
    answer.avoid.add(running.nodeId);
    answer.notBefore = performance.now() + RETRY_PAUSE_MS * (tries - 1);
    this.wait(answer);
    this.#deps.pump();
  }

  /** @param by the tokens themselves, if they say so: then the node knows the end, too */
  end(answer: Answer, outcome: Outcome, by?: TokenEnd): void {
    if (answer.state === 'ended') return;
    const { running, attempt } = answer;
    if (running && by !== undefined) this.#worked(answer, running.nodeId);
    this.waiting.delete(answer);
    this.#leave(answer);
    answer.state = 'ended';
    if (running && (by === undefined || by === 'stop string')) {
      this.#deps.tell.drop(running.nodeId, answer.id, attempt);
    }
    if (outcome.type === 'error') outcome.message = outcome.message.slice(0, 2000);
    this.#track(answer, endAnswer(answer, outcome, this.#deps));
    this.#deps.pump();
  }

  /** Who made it is well, and may know its beginning when the conversation goes on. */
  #worked({ input, tokens }: Answer, nodeId: string): void {
    const { nodes } = this.#deps;
    nodes.affinity.served(nodeId, input.prompt, tokens);
    const pipeline = nodes.pipelines.of(nodeId);
    for (const id of pipeline ? membersOf(pipeline) : [nodeId]) nodes.get(id)?.health.worked();
  }

  /** Of an answer whose stream has ended, writes the row. */
  complete(answer: Answer, event: EndEvent): void {
    answer.state = 'ended';
    this.#track(answer, completeRow(answer, event, this.#deps));
  }

  /** Resolves when all ends that are being written are there. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#ending);
  }

  #track(answer: Answer, writing: Promise<void>): void {
    const ending = writing.finally(() => {
      this.#ending.delete(ending);
      if (this.#all.get(answer.id) === answer) this.#all.delete(answer.id);
    });
    this.#ending.add(ending);
  }

  #leave(answer: Answer): void {
    if (answer.running) this.#deps.nodes.get(answer.running.nodeId)?.running.delete(answer.id);
    answer.running = null;
  }
}

/** How an answer that its tokens completed is said to have ended. */
export const finishReason = (end: TokenEnd) => (end === 'length' ? 'length' : 'stop');
