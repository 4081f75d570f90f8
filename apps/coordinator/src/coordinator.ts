/**
 * The one path of a request through the coordinator: taken in, put to a node, checked, ended.
 * All state is in this one thread; rows in Postgres and entries in Redis are written so that a
 * coordinator that starts anew finds all that it needs.
 */
import type { ClusterStatus } from '@blyan/protocol/cluster';
import type { NodeMessage } from '@blyan/queue/node-reader';
import type { Answer, TokenEnd } from './answer.ts';
import { type AttemptEvent, checkEvent } from './check.ts';
import { completeRow, endAnswer } from './endings.ts';
import { InOrder } from './in-order.ts';
import { jobOf } from './job.ts';
import {
  ATTEMPT_SILENT_MS,
  MAX_ATTEMPTS,
  NO_NODE_GRACE_MS,
  PREFILL_PHASE_MS,
  RETRY_PAUSE_MS,
  STORE_RETRY_MS,
} from './limits.ts';
import type { NodeRegistry, NodeView } from './nodes.ts';
import type { Outcome } from './outcome.ts';
import { type OpenDeps, openAnswer } from './recovery.ts';
import { Teller, type TellerDeps } from './tell.ts';
import { WaitingLine, whileWaiting } from './waiting.ts';

export interface CoordinatorDeps extends TellerDeps, OpenDeps {
  nodes: NodeRegistry;
}

export interface CoordinatorOptions {
  noNodeGraceMs?: number;
}

export class Coordinator {
  readonly #deps: CoordinatorDeps;
  readonly #noNodeGraceMs: number;
  /** All that have not ended, and those whose end is being written. */
  readonly #answers = new Map<string, Answer>();
  readonly #waiting = new WaitingLine();
  readonly #taking = new Map<string, Promise<void>>();
  /** A row that is read slowly must not let a later request overtake it. */
  readonly #arrivals = new InOrder();
  readonly #ending = new Set<Promise<void>>();
  readonly #tell: Teller;
  #stopped = false;

  constructor(deps: CoordinatorDeps, { noNodeGraceMs }: CoordinatorOptions = {}) {
    this.#deps = deps;
    this.#tell = new Teller(deps);
    this.#noNodeGraceMs = noNodeGraceMs ?? NO_NODE_GRACE_MS;
  }

  // Taking requests in

  /** Takes a request by its id; unknown, ended and known ones are no news. */
  take(id: string): Promise<void> {
    if (this.#answers.has(id) || this.#stopped) return Promise.resolve();
    let taking = this.#taking.get(id);
    if (!taking) {
      taking = this.#take(id).finally(() => this.#taking.delete(id));
      this.#taking.set(id, taking);
    }
    return taking;
  }

  async #take(id: string): Promise<void> {
    const request = await this.#arrivals.next(this.#deps.store.open(id));
    const opened = request && (await openAnswer(request, this.#deps));
    if (!opened || this.#stopped) return;
    const { answer, ended, complete, corrupt, cancelled } = opened;
    this.#answers.set(id, answer);
    if (ended) {
      answer.state = 'ended';
      return this.#track(answer, completeRow(answer, ended, this.#deps));
    }
    const last = answer.segments.at(-1);
    if (last) this.#tell.drop(last.nodeId, id, last.attempt);
    if (corrupt) {
      const message = 'the stored part of the answer contradicts itself';
      this.#end(answer, { type: 'error', code: 'answer_corrupt', message });
    } else if (cancelled) this.#end(answer, { type: 'finish', reason: 'cancelled' });
    else if (complete) this.#end(answer, { type: 'finish', reason: finishReason(complete) });
    else {
      if (answer.attempt > 0) answer.problem = 'the coordinator was restarted';
      this.#wait(answer);
      this.pump();
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

  // Dispatch

  /** Gives waiting answers to nodes that have room, oldest first. */
  pump(): void {
    if (this.#stopped) return;
    const now = performance.now();
    for (const answer of this.#waiting.list()) {
      if (answer.notBefore > now) continue;
      const node = this.#deps.nodes.choose(answer, now);
      if (!node) continue;
      this.#waiting.delete(answer);
      answer.state = 'dispatching';
      node.running.add(answer.id);
      void this.#dispatch(answer, node);
    }
  }

  async #dispatch(answer: Answer, node: NodeView): Promise<void> {
    const { store, queues, logger } = this.#deps;
    const { status } = node;
    try {
      const attempt = answer.attempt + 1;
      const segment = {
        attempt,
        nodeId: node.id,
        position: answer.tokens.length,
        layers: status?.layers ?? null,
        numerics: status?.numerics ?? null,
      };
      const claimed = status !== null && (await store.claim(answer.id, segment));
      if (answer.state !== 'dispatching' || !status) return this.#release(node, answer);
      if (!claimed) {
        this.#release(node, answer);
        return await this.#reload(answer);
      }
      answer.begin(segment, status.boot);
      if (attempt > 1) {
        const reason = answer.problem ?? 'the attempt before broke down';
        this.#tell.append(answer, { type: 'attempt', attempt, reason });
      }
      await queues.add(node.id, jobOf(answer));
      // It may have ended while the job was on its way.
      if (this.#hasLeft(answer, attempt)) this.#tell.drop(node.id, answer.id, attempt);
      logger.debug({ requestId: answer.id, attempt, nodeId: node.id }, 'dispatched');
    } catch (error) {
      const problem = (error as Error).message;
      logger.error({ requestId: answer.id, nodeId: node.id, problem }, 'dispatch failed');
      this.#release(node, answer);
      if (this.#isEnded(answer)) return;
      answer.running = null;
      answer.notBefore = performance.now() + STORE_RETRY_MS;
      this.#wait(answer);
    }
  }

  #hasLeft(answer: Answer, attempt: number): boolean {
    return answer.state !== 'running' || answer.attempt !== attempt;
  }
  #isEnded(answer: Answer): boolean {
    return answer.state === 'ended';
  }

  /** The row is not as this coordinator knows it: cancelled, ended or deleted by somebody else. */
  async #reload(answer: Answer): Promise<void> {
    const row = await this.#deps.store.open(answer.id);
    if (this.#isEnded(answer)) return;
    if (row?.cancelled) this.#end(answer, { type: 'finish', reason: 'cancelled' });
    else {
      // Take it anew if it is still open, else forget it.
      answer.state = 'ended';
      this.#answers.delete(answer.id);
      if (row) await this.take(answer.id);
    }
  }

  // What nodes write

  /** What goes wrong with one message ends that attempt, and no other. */
  handle(messages: NodeMessage[]): void {
    let pump = false;
    for (const message of messages) {
      try {
        pump = this.#hear(message) || pump;
      } catch (error) {
        this.#broke(message, error as Error);
      }
    }
    if (pump) this.pump();
  }

  /** Whether a waiting answer may go now. */
  #hear({ nodeId, event, problem }: NodeMessage): boolean {
    if (!event) {
      this.#deps.logger.warn({ nodeId, problem }, 'a node wrote what is no event');
      // Whatever it was is missing now, in any of its answers.
      for (const answer of this.#on(nodeId)) {
        this.#failAttempt(answer, `worker ${nodeId} wrote ${problem}`);
      }
      return false;
    }
    if (event.type !== 'status') {
      this.#heed(nodeId, event);
      return false;
    }
    const changed = this.#deps.nodes.hear(nodeId, event, performance.now());
    if (changed) this.#rebooted(nodeId, event.boot);
    if (changed && event.state === 'ready' && event.model) this.#warm(event.model);
    return changed;
  }

  #broke({ nodeId, event }: NodeMessage, { message, stack }: Error): void {
    const fields = { nodeId, type: event?.type, problem: message, stack };
    this.#deps.logger.error(fields, 'an event of a node could not be handled');
    const answer = this.#answers.get(event && 'requestId' in event ? event.requestId : '');
    if (answer?.running?.nodeId === nodeId)
      this.#failAttempt(answer, `an event of worker ${nodeId} could not be handled`);
  }

  #heed(nodeId: string, event: AttemptEvent): void {
    const answer = this.#answers.get(event.requestId);
    const verdict = checkEvent(answer, nodeId, event);
    if (verdict.type === 'stale' || !answer?.running) {
      if (event.type === 'tokens' || event.type === 'prefill') this.#tell.stale(nodeId, event);
      return;
    }
    switch (verdict.type) {
      case 'tokens': {
        answer.running.heard = performance.now();
        const { event: written, end } = answer.accept(verdict, Date.now());
        this.#tell.append(answer, written);
        if (end) this.#end(answer, { type: 'finish', reason: finishReason(end) }, end);
        break;
      }
      case 'prefill':
        answer.running.heard = performance.now();
        answer.running.prefilled = verdict.done;
        this.#tell.phase(answer, { ...verdict, type: 'phase', phase: 'prefill' }, PREFILL_PHASE_MS);
        break;
      case 'fail': {
        const { code, message, words } = verdict;
        const fields = { requestId: answer.id, nodeId, code, problem: message };
        this.#deps.logger.warn(fields, 'attempt failed');
        // Its words are for the log: users read ours.
        this.#failAttempt(answer, `worker ${nodeId} ${words}`);
        break;
      }
      case 'refusal':
        this.#end(answer, { ...verdict, type: 'error' });
        break;
      case 'violation': {
        const { problem } = verdict;
        this.#deps.logger.warn({ requestId: answer.id, nodeId, problem }, 'a node broke the rules');
        this.#failAttempt(answer, `worker ${nodeId} sent a wrong event: ${problem}`);
        break;
      }
    }
  }

  /** Reads a model before its first request; what is wrong with it is told to who asks. */
  #warm(model: string): void {
    this.#deps.models.get(model).catch((error: Error) => {
      this.#deps.logger.warn({ model, problem: error.message }, 'a model cannot be read');
    });
  }

  #rebooted(nodeId: string, boot: string): void {
    for (const answer of this.#on(nodeId)) {
      if (answer.running?.boot !== boot)
        this.#failAttempt(answer, `worker ${nodeId} was restarted`);
    }
  }

  /** A node is out, whatever it still writes: what it had moves on. */
  lose(nodeId: string): void {
    this.#deps.nodes.bar(nodeId);
    for (const answer of this.#on(nodeId)) {
      this.#failAttempt(answer, `worker ${nodeId} was cut off`);
    }
  }

  #on(nodeId: string): Answer[] {
    return [...this.#answers.values()].filter((answer) => answer.running?.nodeId === nodeId);
  }

  /** Ends the attempt; the answer moves on to another node, or ends when it was tried enough. */
  #failAttempt(answer: Answer, problem: string): void {
    const { running, attempt } = answer;
    if (answer.state !== 'running' || !running) return;
    this.#leave(answer);
    this.#tell.drop(running.nodeId, answer.id, attempt);
    this.#tell.closeAttempt(answer, problem);
    answer.problem = problem;
    if (attempt >= MAX_ATTEMPTS) {
      const message = `all ${attempt} attempts broke down; the last: ${problem}`;
      this.#end(answer, { type: 'error', code: 'attempts_exhausted', message });
      return;
    }
    answer.avoid.add(running.nodeId);
    answer.notBefore = performance.now() + RETRY_PAUSE_MS * (attempt - 1);
    this.#wait(answer);
    this.pump();
  }

  // Ends

  cancel(id: string): void {
    const answer = this.#answers.get(id);
    if (answer) this.#end(answer, { type: 'finish', reason: 'cancelled' });
  }

  /** @param by the tokens themselves, if they say so: then the node knows the end, too */
  #end(answer: Answer, outcome: Outcome, by?: TokenEnd): void {
    if (answer.state === 'ended') return;
    const { running, attempt } = answer;
    this.#waiting.delete(answer);
    this.#leave(answer);
    answer.state = 'ended';
    if (running && (by === undefined || by === 'stop string')) {
      this.#tell.drop(running.nodeId, answer.id, attempt);
    }
    if (outcome.type === 'error') outcome.message = outcome.message.slice(0, 2000);
    this.#track(answer, endAnswer(answer, outcome, this.#deps));
    this.pump();
  }

  #track(answer: Answer, writing: Promise<void>): void {
    const ending = writing.finally(() => {
      this.#ending.delete(ending);
      if (this.#answers.get(answer.id) === answer) this.#answers.delete(answer.id);
    });
    this.#ending.add(ending);
  }

  // Time

  /** Looks after deadlines, silent nodes, and answers that nobody can serve. */
  tick(): void {
    if (this.#stopped) return;
    const now = performance.now();
    this.#tell.forget();
    for (const answer of [...this.#answers.values()]) {
      if (answer.state === 'ended') continue;
      if (Date.now() > answer.input.deadline) {
        const message = 'the answer was not complete by its deadline';
        this.#end(answer, { type: 'error', code: 'deadline_exceeded', message });
      } else if (answer.state === 'running') this.#tickRunning(answer, now);
    }
    this.pump();
    this.#waiting.list().forEach((answer, ahead) => {
      this.#tickWaiting(answer, ahead, now);
    });
  }

  #tickRunning(answer: Answer, now: number): void {
    const { running } = answer;
    if (!running) return;
    const node = this.#deps.nodes.get(running.nodeId);
    if (!node || !this.#deps.nodes.isAlive(node, now)) {
      this.#failAttempt(answer, `worker ${running.nodeId} is silent`);
    } else if (now - running.heard > ATTEMPT_SILENT_MS) {
      this.#failAttempt(answer, `worker ${running.nodeId} makes no progress`);
    }
  }

  #tickWaiting(answer: Answer, ahead: number, now: number): void {
    const outlook = this.#deps.nodes.outlook(answer, now);
    if (outlook.kind === 'ready') answer.unservedSince = null;
    else answer.unservedSince ??= now;
    const unservedMs = now - (answer.unservedSince ?? now);
    const next = whileWaiting(answer, outlook, { ahead, late: unservedMs > this.#noNodeGraceMs });
    if (next.type === 'error') this.#end(answer, next);
    else this.#tell.phase(answer, next);
  }

  status(): ClusterStatus {
    const running = [...this.#answers.values()].filter(({ state }) => state === 'running').length;
    const nodes = this.#deps.nodes.statuses(performance.now());
    return { at: Date.now(), waiting: this.#waiting.size, running, nodes };
  }

  /** Whether this attempt is the one that runs: what else is in a node's queue is a leftover. */
  wants(requestId: string, attempt: number): boolean {
    const answer = this.#answers.get(requestId);
    return answer !== undefined && answer.state !== 'ended' && answer.attempt === attempt;
  }

  /** Stops where it is: what has not ended is taken up by the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.allSettled([...this.#ending, ...this.#taking.values()]);
  }

  // Small steps

  #wait(answer: Answer): void {
    answer.state = 'waiting';
    this.#waiting.add(answer);
  }
  #leave(answer: Answer): void {
    if (answer.running) this.#deps.nodes.get(answer.running.nodeId)?.running.delete(answer.id);
    answer.running = null;
  }
  #release(node: NodeView, answer: Answer): void {
    node.running.delete(answer.id);
  }
}

const finishReason = (end: TokenEnd) => (end === 'length' ? 'length' : 'stop');
