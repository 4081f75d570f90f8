/** What nodes write: heartbeats into the registry, events of attempts, once checked, into answers. */
import type { NodeMessage } from '@blyan/queue/node-reader';
import { type Answers, finishReason } from './answers.ts';
import { type AttemptEvent, checkEvent } from './check.ts';
import { PREFILL_PHASE_MS } from './limits.ts';
import type { Logger } from './logger.ts';
import type { NodeRegistry } from './nodes.ts';
import type { Models } from './served-model.ts';
import type { Teller } from './tell.ts';
import type { WrongBlobs } from './wrong-blobs.ts';

export interface HearingDeps {
  answers: Answers;
  nodes: NodeRegistry;
  models: Models;
  tell: Teller;
  logger: Logger;
  pump(): void;
  /** A head blames a stage of its pipeline: all of its members; null when that is none. */
  blame(headId: string, culprit: string): string[] | null;
  wrongBlobs: Pick<WrongBlobs, 'hear'>;
  /** A node broke its word. */
  distrust(nodeId: string, mark: string): void;
}

/** A stage without room for one more sequence has not broken down. */
const FULL: ReadonlySet<string> = new Set(['KV_MEMORY_TOO_SMALL', 'STAGE_MEMORY']);

/** It cannot take the attempt now, or was told to stop: nothing is wrong with it. */
const NOT_NOW: ReadonlySet<string> = new Set([
  ...FULL,
  'SLOTS_FULL',
  'ENGINE_LOADING',
  'ENGINE_DRAINING',
  'PIPELINE_CONNECTING',
  'ASSIGNMENT_CHANGED',
  'NOT_THE_HEAD',
  'MODEL_MISMATCH',
  'DEADLINE_PASSED',
  'ATTEMPT_SUPERSEDED',
  // Its neighbours' doing, or its own, as their blame and their silence show.
  'STAGE_LOST',
  'STAGE_ORDER',
]);

/** What a stage sent is not what its layers give. */
const WRONG_SHAPE = 'STAGE_SHAPE';

export class Hearing {
  readonly #deps: HearingDeps;

  constructor(deps: HearingDeps) {
    this.#deps = deps;
  }

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
    if (pump) this.#deps.pump();
  }

  /** Whether a waiting answer may go now. */
  #hear({ nodeId, event, problem }: NodeMessage): boolean {
    const { nodes } = this.#deps;
    if (!event) {
      // Whatever it was is missing now, in any of its answers.
      this.lied(nodeId, `wrote ${problem}`);
      return false;
    }
    if (event.type !== 'status') {
      this.#heed(nodeId, event);
      return false;
    }
    const changed = nodes.hear(nodeId, event, performance.now());
    this.#deps.wrongBlobs.hear(nodeId, event);
    if (changed) this.#rebooted(nodeId, event.boot);
    if (changed && event.state === 'ready' && event.model) this.#warm(event.model);
    return changed;
  }

  #broke({ nodeId, event }: NodeMessage, { message, stack }: Error): void {
    const { answers, logger } = this.#deps;
    const fields = { nodeId, type: event?.type, problem: message, stack };
    logger.error(fields, 'an event of a node could not be handled');
    const answer = answers.get(event && 'requestId' in event ? event.requestId : '');
    if (answer?.running?.nodeId === nodeId)
      answers.failAttempt(answer, `an event of worker ${nodeId} could not be handled`);
  }

  #heed(nodeId: string, event: AttemptEvent): void {
    const { answers, nodes, tell, logger } = this.#deps;
    const answer = answers.get(event.requestId);
    const verdict = checkEvent(answer, nodeId, event);
    if (verdict.type === 'lie') {
      this.lied(nodeId, `sent a wrong event: ${verdict.problem}`);
      return;
    }
    if (verdict.type === 'stale' || !answer?.running) {
      if (event.type === 'tokens' || event.type === 'prefill') tell.stale(nodeId, event);
      return;
    }
    switch (verdict.type) {
      case 'tokens': {
        answers.heard(answer.running);
        const { event: written, end } = answer.accept(verdict, Date.now());
        tell.append(answer, written);
        if (end) answers.end(answer, { type: 'finish', reason: finishReason(end) }, end);
        break;
      }
      case 'prefill':
        answers.heard(answer.running);
        answer.running.prefilled = verdict.done;
        tell.phase(answer, { ...verdict, type: 'phase', phase: 'prefill' }, PREFILL_PHASE_MS);
        break;
      case 'fail': {
        const { code, message, words, culprit } = verdict;
        const fields = { requestId: answer.id, nodeId, code, problem: message };
        logger.warn(fields, 'attempt failed');
        if (!NOT_NOW.has(code)) nodes.get(nodeId)?.health.failed(performance.now());
        const members =
          culprit !== undefined && !FULL.has(code) ? this.#deps.blame(nodeId, culprit) : null;
        if (members && culprit !== undefined) {
          if (code === WRONG_SHAPE) this.#accuse(culprit, members);
          break;
        }
        // Its words are for the log: users read ours.
        answers.failAttempt(answer, `worker ${nodeId} ${words}`);
        break;
      }
      case 'refusal':
        answers.end(answer, { ...verdict, type: 'error' });
        break;
      case 'violation': {
        const { problem } = verdict;
        logger.warn({ requestId: answer.id, nodeId, problem }, 'a node broke the rules');
        // A restarted Redis loses events of an honest node, too.
        const excused = answer.running.doubted;
        if (!excused && nodes.get(nodeId)?.health.doubted())
          this.lied(nodeId, `again and again ${problem}`);
        else answers.failAttempt(answer, `worker ${nodeId} sent a wrong event: ${problem}`);
        break;
      }
    }
  }

  /**
   * No accident changes the shape of hidden states; but a head may lie, and in Redis each member of a
   * pipeline can speak as any other. So a node is marked once nobody of another key was there each time that
   * it was accused: at once where all members are one operator's.
   */
  #accuse(culprit: string, members: readonly string[]): void {
    const { nodes, logger } = this.#deps;
    const keyOf = (id: string) => nodes.get(id)?.row?.keyId ?? `of ${id}`;
    const node = nodes.get(culprit);
    if (!node) return;
    const others = new Set(members.map(keyOf).filter((key) => key !== keyOf(culprit)));
    const before = node.suspects;
    node.suspects = before ? new Set([...before].filter((key) => others.has(key))) : others;
    if (node.suspects.size === 0) this.lied(culprit, 'sent hidden states of a wrong shape');
    else logger.warn({ nodeId: culprit, members }, 'a node is said to send a wrong shape');
  }

  /** All that it has goes elsewhere, and it gets nothing more. */
  lied(nodeId: string, problem: string): void {
    const { answers, logger, distrust } = this.#deps;
    logger.error({ nodeId, problem }, 'a node broke its word');
    distrust(nodeId, problem);
    for (const answer of answers.on(nodeId)) {
      answers.failAttempt(answer, `worker ${nodeId} ${problem}`);
    }
  }

  /** Reads a model before its first request; what is wrong with it is told to who asks. */
  #warm(model: string): void {
    const { models, logger } = this.#deps;
    models.get(model).catch((error: Error) => {
      logger.warn({ model, problem: error.message }, 'a model cannot be read');
    });
  }

  #rebooted(nodeId: string, boot: string): void {
    const { answers } = this.#deps;
    for (const answer of answers.on(nodeId)) {
      if (answer.running?.boot !== boot)
        answers.failAttempt(answer, `worker ${nodeId} was restarted`);
    }
  }
}
