/** The nodes as their heartbeats show them, by our own monotonic clock. */
import type { ClusterStatus } from '@blyan/protocol/cluster';
import { NODE_LOST_MS, type NodeStatus } from '@blyan/protocol/node';
import type { Answer } from './answer.ts';

export interface NodeView {
  readonly id: string;
  status: NodeStatus | null;
  /** Monotonic ms of the last status; clocks of nodes are not trusted. */
  heard: number;
  /** Unix ms of the same. */
  heardAt: number;
  /** Ids of the requests whose current attempt is here. */
  readonly running: Set<string>;
}

/** Whether and how a model can be served, in words for who waits. */
export type Outlook =
  | { kind: 'ready' }
  | { kind: 'loading' | 'none'; reason: string }
  | { kind: 'failed'; reason: string };

export class NodeRegistry {
  readonly #nodes = new Map<string, NodeView>();
  /** Cut off; what they wrote before may still be read. */
  readonly #barred = new Set<string>();
  readonly #lostMs: number;

  constructor({ lostMs = NODE_LOST_MS }: { lostMs?: number } = {}) {
    this.#lostMs = lostMs;
  }

  all(): IterableIterator<NodeView> {
    return this.#nodes.values();
  }
  get(id: string): NodeView | undefined {
    return this.#nodes.get(id);
  }
  add(id: string): void {
    if (this.#nodes.has(id)) return;
    const silent = Number.NEGATIVE_INFINITY;
    this.#nodes.set(id, { id, status: null, heard: silent, heardAt: 0, running: new Set() });
  }

  /** Takes a heartbeat; true when something changed that can let a waiting answer go. */
  hear(id: string, status: NodeStatus, now: number): boolean {
    const node = this.#nodes.get(id);
    if (!node || this.#barred.has(id)) return false;
    const before = node.status;
    const wasAlive = this.isAlive(node, now);
    node.status = status;
    node.heard = now;
    node.heardAt = Date.now();
    return (
      !wasAlive ||
      before?.state !== status.state ||
      before.boot !== status.boot ||
      before.model !== status.model ||
      before.slots !== status.slots
    );
  }

  /** Gone, and not heard any more, until it is let in again. */
  bar(id: string): void {
    this.#barred.add(id);
    const node = this.#nodes.get(id);
    if (node) node.heard = Number.NEGATIVE_INFINITY;
  }
  letIn(id: string): void {
    this.#barred.delete(id);
  }

  isAlive(node: NodeView, now: number): boolean {
    return node.status !== null && now - node.heard < this.#lostMs;
  }

  /** Time in which nothing could be heard, through no fault of the nodes. */
  forgive(ms: number): void {
    for (const node of this.#nodes.values()) node.heard += ms;
  }

  /** The node with the most room for this answer; one that failed it only when there is no other. */
  choose(answer: Answer, now: number): NodeView | undefined {
    let best: NodeView | undefined;
    let bestCost = Number.POSITIVE_INFINITY;
    for (const node of this.#nodes.values()) {
      const slots = node.status?.slots ?? 0;
      if (!this.#serves(node, answer, now) || node.running.size >= slots) continue;
      const cost = node.running.size / slots + (answer.avoid.has(node.id) ? 1 : 0);
      if (cost < bestCost) {
        best = node;
        bestCost = cost;
      }
    }
    return best;
  }

  outlook(answer: Answer, now: number): Outlook {
    const alive = [...this.#nodes.values()].filter((node) => this.isAlive(node, now));
    if (alive.some((node) => this.#serves(node, answer, now))) return { kind: 'ready' };
    const { hash, name } = answer.model;
    const ours = alive.filter(({ status }) => !status?.model || status.model === hash);
    const loading = ours.find(({ status }) => status?.state === 'loading');
    if (loading) return { kind: 'loading', reason: `a worker loads ${name}${progress(loading)}` };
    const failed = ours.filter(({ status }) => status?.state === 'failed');
    const failure = failed[0]?.status?.failure;
    if (failure && failed.length === ours.length) {
      return { kind: 'failed', reason: `no worker can serve ${name}: ${failure.message}` };
    }
    if (alive.length === 0) return { kind: 'none', reason: 'no worker is connected' };
    return { kind: 'none', reason: `no connected worker serves ${name}` };
  }

  /** What is known of all nodes that were ever heard, for the cluster status. */
  statuses(now: number): ClusterStatus['nodes'] {
    return [...this.#nodes.values()].flatMap((node) => {
      const { id, status, heardAt, running } = node;
      if (!status) return [];
      return [{ id, alive: this.isAlive(node, now), seen: heardAt, running: running.size, status }];
    });
  }

  #serves(node: NodeView, answer: Answer, now: number): boolean {
    const { status } = node;
    if (status?.state !== 'ready' || status.model !== answer.model.hash) return false;
    // Without a numerics profile there is no receipt, and so no answer.
    if (!status.numerics) return false;
    if (!this.isAlive(node, now)) return false;
    // One with less room would have to end the answer early.
    const length = answer.input.prompt.length + answer.limit;
    return status.context === undefined || status.context >= length;
  }
}

function progress({ status }: NodeView): string {
  const step = status?.progress;
  if (!step || step.total <= 0) return '';
  return ` (${step.phase} ${Math.floor((100 * step.done) / step.total)}%)`;
}
