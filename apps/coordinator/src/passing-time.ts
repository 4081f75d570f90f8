/** Looks after deadlines, silent nodes, and answers that nobody can serve. */
import type { Answer } from './answer.ts';
import type { Answers } from './answers.ts';
import { ATTEMPT_SILENT_MS, DOUBTED_SILENT_MS, QUEUED_PHASE_MS } from './limits.ts';
import type { NodeRegistry } from './nodes.ts';
import type { Teller } from './tell.ts';
import { whileWaiting } from './waiting.ts';

export interface PassingTimeDeps {
  answers: Answers;
  nodes: NodeRegistry;
  tell: Teller;
  pump(): void;
}

export class PassingTime {
  readonly #deps: PassingTimeDeps;
  readonly #noNodeGraceMs: number;

  constructor(deps: PassingTimeDeps, { noNodeGraceMs }: { noNodeGraceMs: number }) {
    this.#deps = deps;
    this.#noNodeGraceMs = noNodeGraceMs;
  }

  tick(): void {
    const { answers, tell, pump } = this.#deps;
    const now = performance.now();
    tell.forget();
    for (const answer of answers.list()) {
      if (answer.state === 'ended') continue;
      if (Date.now() > answer.input.deadline) {
        const message = 'the answer was not complete by its deadline';
        answers.end(answer, { type: 'error', code: 'deadline_exceeded', message });
      } else if (answer.state === 'running') this.#running(answer, now);
    }
    pump();
    answers.waiting.list().forEach((answer, ahead) => {
      this.#waiting(answer, ahead, now);
    });
  }

  #running(answer: Answer, now: number): void {
    const { answers, nodes } = this.#deps;
    const { running } = answer;
    if (!running) return;
    const node = nodes.get(running.nodeId);
    if (!node?.isAlive(now)) {
      answers.failAttempt(answer, `worker ${running.nodeId} is silent`);
    } else if (node.isBanned) {
      answers.failAttempt(answer, `worker ${running.nodeId} was taken out of service`);
    } else if (running.doubted && now - running.heard > DOUBTED_SILENT_MS) {
      answers.failAttempt(answer, `what worker ${running.nodeId} wrote was lost`);
    } else if (now - running.heard > ATTEMPT_SILENT_MS) {
      node.health.failed(now);
      answers.failAttempt(answer, `worker ${running.nodeId} makes no progress`);
    }
  }

  #waiting(answer: Answer, ahead: number, now: number): void {
    const { answers, nodes, tell } = this.#deps;
    const outlook = nodes.outlook(answer, now);
    if (outlook.kind === 'ready') answer.unservedSince = null;
    else answer.unservedSince ??= now;
    const unservedMs = now - (answer.unservedSince ?? now);
    const next = whileWaiting(answer, outlook, { ahead, late: unservedMs > this.#noNodeGraceMs });
    if (next.type === 'error') answers.end(answer, next);
    else tell.phase(answer, next, QUEUED_PHASE_MS);
  }
}
