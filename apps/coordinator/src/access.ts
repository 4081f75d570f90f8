/**
 * Who may be in Redis: the nodes whose leases run. Whatever ends a lease (its time, a revoked key, an
 * eviction, a lie), by whose hand ever, the rows in Postgres say so; here the Redis user goes, which
 * cuts the node's connections at once, and what ran on the node moves on.
 *
 * Every coordinator does this, whether it leads or stands by, so that a key that is revoked during a
 * change of leaders cuts as fast: what two of them do changes no more than what one does.
 */
import { appendAudit } from '@blyan/db/audit-log';
import type { PrismaClient } from '@blyan/db/client';
import { keyState } from '@blyan/db/node-keys';
import type { Redis } from '@blyan/queue/connection';
import { deleteNodeUser, nodesWithUsers } from '@blyan/queue/node-acl';
import type { Logger } from './logger.ts';

export interface AccessDeps {
  db: PrismaClient;
  /** Where the users are, with the right to end them. */
  redis: Redis;
  logger: Logger;
}

/** Whoever leads hears of it. */
export interface AccessListener {
  /** The node is out; its answers must move on. */
  cut(nodeId: string): void;
  /** A node that was out is in again. */
  back(nodeId: string): void;
  /** An admin wants the node to finish what it has. */
  drain(nodeId: string): Promise<void>;
}

type Row = Awaited<ReturnType<Access['read']>>[number];

export class Access {
  readonly #deps: AccessDeps;
  /** Nodes that were in at the last look. */
  #inside = new Set<string>();
  /** Nodes that were cut off and did not come back. */
  readonly #cut = new Set<string>();
  #failing = false;
  /** Nodes that were told to drain. */
  readonly #told = new Set<string>();
  #listener: AccessListener | null = null;

  constructor(deps: AccessDeps) {
    this.#deps = deps;
  }

  /** Whoever listens hears of the nodes that are out already, first. */
  listen(listener: AccessListener): Disposable {
    this.#listener = listener;
    this.#told.clear();
    for (const id of this.#cut) listener.cut(id);
    return {
      [Symbol.dispose]: () => {
        if (this.#listener === listener) this.#listener = null;
      },
    };
  }

  /** Cuts off whose lease does not run. To be called often, and at each hint; an outage is logged once. */
  async look(): Promise<void> {
    try {
      await this.#look();
      this.#failing = false;
    } catch (error) {
      const problem = (error as Error).message;
      if (!this.#failing) this.#deps.logger.warn({ problem }, 'leases of nodes cannot be checked');
      this.#failing = true;
    }
  }

  async #look(): Promise<void> {
    const { redis } = this.#deps;
    const users = await nodesWithUsers(redis);
    const rows = await this.read([...new Set([...users, ...this.#inside, ...this.#cut])]);
    const inside = new Set<string>();
    for (const row of rows) {
      const why = whyOut(row);
      if (why !== null) {
        if (users.has(row.id) || this.#inside.has(row.id)) await this.#cutOff(row.id, why);
        continue;
      }
      if (this.#cut.delete(row.id)) this.#listener?.back(row.id);
      inside.add(row.id);
      if (!row.draining) this.#told.delete(row.id);
      else if (this.#listener && !this.#told.has(row.id)) {
        this.#told.add(row.id);
        await this.#listener.drain(row.id);
      }
    }
    this.#inside = inside;
  }

  async #cutOff(nodeId: string, why: string): Promise<void> {
    const { redis, db, logger } = this.#deps;
    const had = await deleteNodeUser(redis, nodeId);
    this.#out(nodeId);
    logger.warn({ nodeId, why }, 'a node is out');
    // Of several coordinators one ended the user.
    if (!had) return;
    await appendAudit(db, {
      actor: { kind: 'system', id: 'coordinator' },
      action: 'node.cut',
      subject: `node:${nodeId}`,
      after: { why },
    });
  }

  #out(nodeId: string): void {
    if (this.#cut.has(nodeId)) return;
    this.#cut.add(nodeId);
    this.#listener?.cut(nodeId);
  }

  /** Nodes of ours: a server may have users of others. */
  read(ids: string[]) {
    if (ids.length === 0) return Promise.resolve([]);
    return this.#deps.db.node.findMany({
      where: { id: { in: ids } },
      select: {
        id: true,
        leaseUntil: true,
        draining: true,
        evictedAt: true,
        mark: true,
        key: { select: { name: true, revokedAt: true, disabledAt: true, expiresAt: true } },
      },
    });
  }
}

/** Why a node may not be in Redis, or null. */
function whyOut({ leaseUntil, evictedAt, mark, key }: Row, now = new Date()): string | null {
  if (mark !== null) return `was cut off: ${mark}`;
  if (evictedAt) return 'was evicted';
  const state = key && keyState(key, now);
  if (state && state !== 'active') return `has a key that is ${state}`;
  if (!leaseUntil || leaseUntil <= now) return 'has no lease any more';
  return null;
}
