/** Gives waiting answers to nodes: claimed in Postgres first, then put into the node's queue. */
import type { NodeQueues } from '@blyan/queue/node-queue';
import type { Answer, SegmentStage } from './answer.ts';
import type { Answers } from './answers.ts';
import { isForged, isOfItsKeys } from './errors.ts';
import { jobOf } from './job.ts';
import { STORE_RETRY_MS } from './limits.ts';
import type { Logger } from './logger.ts';
import type { NodeRegistry, NodeView } from './nodes.ts';
import type { RequestStore } from './request-store.ts';
import type { Teller } from './tell.ts';

export interface DispatchDeps {
  store: RequestStore;
  queues: NodeQueues;
  nodes: NodeRegistry;
  answers: Answers;
  tell: Teller;
  logger: Logger;
  /** A node broke its word. */
  lied(nodeId: string, problem: string): void;
  /** Takes a request anew. */
  take(id: string): Promise<void>;
}

export class Dispatch {
  readonly #deps: DispatchDeps;
  #stopped = false;

  constructor(deps: DispatchDeps) {
    this.#deps = deps;
  }

  stop(): void {
    this.#stopped = true;
  }

  /** Gives waiting answers to nodes that have room, oldest first. */
  pump(): void {
    if (this.#stopped) return;
    const { answers, nodes } = this.#deps;
    const now = performance.now();
    for (const answer of answers.waiting.list()) {
      if (answer.notBefore > now) continue;
      const node = nodes.choose(answer, now);
      if (!node) continue;
      answers.waiting.delete(answer);
      answer.state = 'dispatching';
      node.running.add(answer.id);
      void this.#dispatch(answer, node);
    }
  }

  async #dispatch(answer: Answer, node: NodeView): Promise<void> {
    const { store, queues, tell, logger } = this.#deps;
    const { status } = node;
    const attempt = answer.attempt + 1;
    try {
      const segment = {
        attempt,
        nodeId: node.id,
        position: answer.tokens.length,
        layers: status?.layers ?? null,
        numerics: status?.numerics ?? null,
        stages: this.#stagesOf(node),
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
        tell.append(answer, { type: 'attempt', attempt, reason });
      }
      await queues.add(node.id, jobOf(answer));
      // It may have ended while the job was on its way.
      if (this.#hasLeft(answer, attempt)) tell.drop(node.id, answer.id, attempt);
      logger.debug({ requestId: answer.id, attempt, nodeId: node.id }, 'dispatched');
    } catch (error) {
      const problem = (error as Error).message;
      logger.error({ requestId: answer.id, nodeId: node.id, problem }, 'dispatch failed');
      if (isOfItsKeys(error)) node.health.failed(performance.now());
      // While the job was on its way the answer may have ended, or moved on: then it is not ours.
      const isOurs = answer.state === (answer.attempt === attempt ? 'running' : 'dispatching');
      if (isOurs) this.#putBack(answer, node, error);
      if (isForged(error)) this.#deps.lied(node.id, error.message);
      this.pump();
    }
  }

  /** What a node's own keys make fail costs the answer nothing but the way to another node. */
  #putBack(answer: Answer, node: NodeView, error: unknown): void {
    this.#release(node, answer);
    const ofItsKeys = isOfItsKeys(error);
    if (ofItsKeys) answer.avoid.add(node.id);
    const pauseMs = ofItsKeys && this.#hasOther(answer) ? 0 : STORE_RETRY_MS;
    this.#deps.answers.putBack(answer, 'the job could not be handed over', pauseMs);
  }

  #hasOther(answer: Answer): boolean {
    const next = this.#deps.nodes.choose(answer, performance.now());
    return next !== undefined && !answer.avoid.has(next.id);
  }

  #hasLeft(answer: Answer, attempt: number): boolean {
    return answer.state !== 'running' || answer.attempt !== attempt;
  }
  #isEnded(answer: Answer): boolean {
    return answer.state === 'ended';
  }

  /** The row is not as this coordinator knows it: cancelled, ended or deleted by somebody else. */
  async #reload(answer: Answer): Promise<void> {
    const { store, answers, take } = this.#deps;
    const row = await store.open(answer.id);
    if (this.#isEnded(answer)) return;
    if (row?.cancelled) answers.end(answer, { type: 'finish', reason: 'cancelled' });
    else {
      // Take it anew if it is still open, else forget it.
      answers.drop(answer);
      if (row) await take(answer.id);
    }
  }

  #stagesOf({ id }: NodeView): SegmentStage[] | null {
    const { nodes } = this.#deps;
    const stages = nodes.pipelines.of(id)?.assignment.stages ?? [];
    if (stages.length < 2) return null;
    return stages.flatMap(({ nodeId, layers }) => {
      const numerics = nodes.get(nodeId)?.status?.numerics;
      return numerics ? [{ nodeId, layers, numerics }] : [];
    });
  }

  #release(node: NodeView, answer: Answer): void {
    node.running.delete(answer.id);
  }
}
