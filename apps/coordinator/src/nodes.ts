/** The nodes as their heartbeats show them, by our own monotonic clock, and as admins want them. */
import type { ClusterStatus } from '@blyan/protocol/cluster';
import { NODE_LOST_MS, type NodeStatus } from '@blyan/protocol/node';
import type { NodeScope } from '@blyan/protocol/register';
import { Affinity } from './affinity.ts';
import type { Answer } from './answer.ts';
import { type Member, Pipelines } from './assigning/pipelines.ts';
import { Health } from './health.ts';

/** What Postgres has of a node. */
export interface NodeRow {
  id: string;
  /** Ed25519 key, hex; null for one that registered without. */
  publicKey: string | null;
  draining: boolean;
  evicted: boolean;
  /** Why it is not to be chosen. */
  mark: string | null;
  /** The key that it joined with; nodes of one key are one operator's. */
  keyId: string | null;
  /** Unix ms of its last registration, which made its user of Redis anew. */
  registeredAt: number;
  /** Of its key: whether it may run layers, and be named as a source of blobs. */
  scopes: readonly NodeScope[];
}

export class NodeView implements Member {
  readonly id: string;
  readonly health: Health;
  /** Monotonic ms since which it is known. */
  readonly knownSince: number;
  row: NodeRow | null = null;
  /** Monotonic ms until which rows were read that may lack the mark that we gave it. */
  markIsNewUntil = Number.NEGATIVE_INFINITY;
  status: NodeStatus | null = null;
  /** Monotonic ms of the last status; clocks of nodes are not trusted. */
  heard = Number.NEGATIVE_INFINITY;
  /** Unix ms of the same. */
  heardAt = 0;
  /** Monotonic ms since which it was heard without a silence that counts. */
  steadySince = Number.POSITIVE_INFINITY;
  /** Who could have made up all that heads said of its frames; null when they said nothing. */
  suspects: ReadonlySet<string> | null = null;
  /** Ids of the requests whose current attempt is here. */
  readonly running = new Set<string>();
  readonly #lostMs: number;

  constructor(
    id: string,
    { lostMs, steadyMs }: { lostMs: number; steadyMs: number | undefined },
    now: number,
  ) {
    this.id = id;
    this.knownSince = now;
    this.#lostMs = lostMs;
    this.health = new Health(steadyMs);
  }

  isAlive(now: number): boolean {
    return this.status !== null && now - this.heard < this.#lostMs;
  }

  /** Whether even what it has begun is to go elsewhere. */
  get isBanned(): boolean {
    return this.row !== null && (this.row.evicted || this.row.mark !== null);
  }

  /** Whether it may be given anything new. Not before its row was read. */
  isWelcome(now: number): boolean {
    const { row } = this;
    const wanted = row && !(row.draining || row.evicted || row.mark !== null);
    return (
      Boolean(wanted && row.scopes.includes('serve')) &&
      this.isAlive(now) &&
      this.health.isSteady(now)
    );
  }
}

/** Whether and how a model can be served, in words for who waits. */
export type Outlook =
  | { kind: 'ready' }
  | { kind: 'loading' | 'none'; reason: string }
  | { kind: 'failed'; reason: string };

/** What a like beginning is worth beside load: half of a node's slots. */
const AFFINITY = 0.5;

export interface NodeRegistryOptions {
  lostMs?: number | undefined;
  steadyMs?: number | undefined;
}

export class NodeRegistry {
  readonly pipelines: Pipelines;
  readonly affinity = new Affinity();
  readonly #nodes = new Map<string, NodeView>();
  /** Cut off; what they wrote before may still be read. */
  readonly #barred = new Set<string>();
  readonly #options: { lostMs: number; steadyMs: number | undefined };

  constructor({ lostMs = NODE_LOST_MS, steadyMs }: NodeRegistryOptions = {}) {
    this.#options = { lostMs, steadyMs };
    this.pipelines = new Pipelines(this);
  }

  all(): IterableIterator<NodeView> {
    return this.#nodes.values();
  }
  get(id: string): NodeView | undefined {
    return this.#nodes.get(id);
  }
  add(id: string, now = performance.now()): void {
    if (!this.#nodes.has(id)) this.#nodes.set(id, new NodeView(id, this.#options, now));
  }
  /**
   * Forgets who was silent for so long, and has nothing to do; returns their ids.
   *
   * @param kept ids of those that somebody else has heard
   */
  forget(silentMs: number, kept: ReadonlySet<string>, now = performance.now()): string[] {
    const silent = [...this.#nodes.values()].filter(
      ({ id, heard, knownSince, running }) =>
        now - Math.max(heard, knownSince) >= silentMs &&
        running.size === 0 &&
        !kept.has(id) &&
        !this.pipelines.of(id),
    );
    for (const { id } of silent) {
      this.#nodes.delete(id);
      this.#barred.delete(id);
    }
    return silent.map(({ id }) => id);
  }
  /** As Postgres had it at that monotonic time, when it was asked. True when it has registered anew since. */
  know(row: NodeRow, readAt = performance.now()): boolean {
    this.add(row.id, readAt);
    const node = this.#nodes.get(row.id);
    if (!node) return false;
    const before = node.row?.registeredAt;
    const ours = readAt <= node.markIsNewUntil ? (node.row?.mark ?? null) : null;
    node.row = { ...row, mark: row.mark ?? ours };
    return before !== undefined && before !== row.registeredAt;
  }

  /**
   * It broke its word: nothing more for it until an admin lifts the mark.
   *
   * @param written resolves when Postgres has the mark
   */
  distrust(id: string, mark: string, written: Promise<void>): void {
    const node = this.#nodes.get(id);
    if (!node) return;
    node.row = { ...(node.row ?? unknownRow(id)), mark };
    node.markIsNewUntil = Number.POSITIVE_INFINITY;
    // Without Postgres it stays so as long as we lead.
    written.then(
      () => {
        node.markIsNewUntil = performance.now();
      },
      () => undefined,
    );
  }

  /** Takes a heartbeat; true when something changed that can let a waiting answer go. */
  hear(id: string, status: NodeStatus, now: number): boolean {
    const node = this.#nodes.get(id);
    if (!node || this.#barred.has(id)) return false;
    const before = node.status;
    const wasAlive = node.isAlive(now);
    if (before && before.boot !== status.boot) {
      if (before.state === 'ready') node.health.restarted(now);
    } else if (before && !wasAlive) {
      node.health.returned(now);
      // When all fell silent together it was not the nodes, but the way to them.
      if (this.#wasHeardDuring(node.heard, now)) node.health.failed(now);
    }
    if (!wasAlive) node.steadySince = now;
    node.status = status;
    node.heard = now;
    node.heardAt = Date.now();
    return (
      !wasAlive ||
      before?.state !== status.state ||
      before.boot !== status.boot ||
      before.model !== status.model ||
      before.slots !== status.slots ||
      before.assignment !== status.assignment
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

  /** Whether some node was heard all the time since then. */
  #wasHeardDuring(since: number, now: number): boolean {
    return [...this.#nodes.values()].some((node) => node.isAlive(now) && node.steadySince <= since);
  }

  /** Time in which nothing could be heard, through no fault of the nodes. */
  forgive(ms: number): void {
    for (const node of this.#nodes.values()) node.heard += ms;
  }

  /**
   * The node with the most room for this answer, one that knows its beginning before others, and one
   * that failed it only when there is no other.
   */
  choose(answer: Answer, now: number): NodeView | undefined {
    // First of all, because it is asked for every answer that waits, again and again.
    const withRoom = [...this.#nodes.values()].filter(
      ({ running, status }) => running.size < (status?.slots ?? 0),
    );
    if (withRoom.length === 0) return undefined;
    const near = this.affinity.of(answer.input.prompt, answer.tokens);
    let best: NodeView | undefined;
    let bestCost = Number.POSITIVE_INFINITY;
    for (const node of withRoom) {
      if (!this.#serves(node, answer, now)) continue;
      const slots = node.status?.slots ?? 0;
      const cost =
        node.running.size / slots +
        (answer.avoid.has(node.id) ? 2 : 0) +
        (node.health.isPaused(now) ? 4 : 0) -
        (node.id === near ? AFFINITY : 0);
      if (cost < bestCost) {
        best = node;
        bestCost = cost;
      }
    }
    return best;
  }

  outlook(answer: Answer, now: number): Outlook {
    const alive = [...this.#nodes.values()].filter((node) => node.isAlive(now));
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
    if (alive.every(({ status }) => status?.state === 'idle'))
      return { kind: 'none', reason: `the connected workers have too little memory for ${name}` };
    if (alive.every((node) => !node.isWelcome(now)))
      return { kind: 'none', reason: 'no connected worker may be given work now' };
    return { kind: 'none', reason: `no connected worker serves ${name}` };
  }

  /** What is known of all nodes that were ever heard, for the cluster status. */
  statuses(now: number): ClusterStatus['nodes'] {
    return [...this.#nodes.values()].flatMap((node) => {
      const { id, status, heardAt, running } = node;
      if (!status) return [];
      const alive = node.isAlive(now);
      const serving = alive && this.#takesJobs(node, now);
      return [{ id, alive, serving, seen: heardAt, running: running.size, status }];
    });
  }

  #serves(node: NodeView, answer: Answer, now: number): boolean {
    const { status } = node;
    if (!this.#takesJobs(node, now) || status?.model !== answer.model.hash) return false;
    // One with less room would have to end the answer early.
    const length = answer.input.prompt.length + answer.limit;
    return status.context === undefined || status.context >= length;
  }

  #takesJobs(node: NodeView, now: number): boolean {
    const { status, id } = node;
    // Without a numerics profile there is no receipt, and so no answer.
    if (status?.state !== 'ready' || !status.numerics || !node.isWelcome(now)) return false;
    // One that says nothing of its capacity is in no plan: it serves what it chose itself.
    return status.capacity === undefined || this.pipelines.serves(id, now);
  }
}

const unknownRow = (id: string): NodeRow => ({
  id,
  publicKey: null,
  draining: false,
  evicted: false,
  mark: null,
  keyId: null,
  registeredAt: 0,
  scopes: [],
});

function progress({ status }: NodeView): string {
  const step = status?.progress;
  if (!step || step.total <= 0) return '';
  return ` (${step.phase} ${Math.floor((100 * step.done) / step.total)}%)`;
}
