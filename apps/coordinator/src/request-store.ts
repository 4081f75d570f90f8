/**
 * The rows of requests and attempts: the truth, whatever queues and streams say. Every statement
 * names the state that it expects, so that a late writer changes nothing.
 */

import type { Prisma, PrismaClient } from '@blyan/db/client';
import type { Receipt } from '@blyan/protocol/answer';
import { NumericsProfile } from '@blyan/protocol/node';
import { SamplingParams } from '@blyan/protocol/sampling';
import type { AnswerInput, Segment } from './answer.ts';

const OPEN: ('queued' | 'running')[] = ['queued', 'running'];

export interface OpenRequest extends AnswerInput {
  /** Block hash of the model block, hex. */
  model: string;
  cancelled: boolean;
}

export interface Ending {
  status: 'completed' | 'cancelled' | 'failed';
  output: number[];
  text: string;
  thinking: string | null;
  finishReason?: string;
  receipt?: Receipt;
  errorCode?: string;
  errorMessage?: string;
}

export class RequestStore {
  readonly #db: PrismaClient;

  constructor({ db }: { db: PrismaClient }) {
    this.#db = db;
  }

  /** A request that has not ended, or null. */
  async open(id: string): Promise<OpenRequest | null> {
    const row = await this.#db.request.findUnique({ where: { id } });
    if (!row || (row.status !== 'queued' && row.status !== 'running')) return null;
    // The usual request is new: no second statement before its first token.
    const attempts =
      row.attempt === 0
        ? []
        : await this.#db.attempt.findMany({
            where: { requestId: id },
            orderBy: { attempt: 'asc' },
          });
    return {
      id: row.id,
      model: Buffer.from(row.model).toString('hex'),
      prompt: row.prompt,
      continues: row.continues,
      params: SamplingParams.parse(row.params),
      stop: row.stop,
      attempt: row.attempt,
      segments: attempts.map(segment),
      cancelled: row.cancelled,
      createdAt: row.createdAt.getTime(),
      deadline: row.deadline.getTime(),
      startedAt: row.startedAt?.getTime() ?? null,
    };
  }

  /** Ids of all requests that have not ended, oldest first. */
  async openIds(): Promise<string[]> {
    const rows = await this.#db.request.findMany({
      where: { status: { in: OPEN } },
      orderBy: { createdAt: 'asc' },
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  }

  /** Of requests that have not ended: those whose user has cancelled them. */
  async cancelledIds(): Promise<string[]> {
    const rows = await this.#db.request.findMany({
      where: { status: { in: OPEN }, cancelled: true },
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  }

  /**
   * Raises the attempt and records it, in one statement. False when the request has ended, was
   * cancelled, or has another attempt than the one before: then nothing was changed.
   */
  async claim(id: string, next: Segment): Promise<boolean> {
    const numerics = next.numerics === null ? null : JSON.stringify(next.numerics);
    const claimed = await this.#db.$executeRaw`
      WITH claimed AS (
        UPDATE "Request"
        SET status = 'running'::"RequestStatus", attempt = ${next.attempt},
            "startedAt" = COALESCE("startedAt", now() AT TIME ZONE 'utc')
        WHERE id = ${id} AND attempt = ${next.attempt - 1} AND NOT cancelled
          AND status IN ('queued'::"RequestStatus", 'running'::"RequestStatus")
        RETURNING id
      )
      INSERT INTO "Attempt" ("requestId", attempt, "nodeId", "startedAt", position, layers, numerics)
      SELECT id, ${next.attempt}, ${next.nodeId}, now() AT TIME ZONE 'utc', ${next.position},
             ${next.layers ?? []}::int[], ${numerics}::jsonb
      FROM claimed`;
    return claimed === 1;
  }

  async closeAttempt(id: string, attempt: number, outcome: string): Promise<void> {
    await this.#db.attempt.updateMany({
      where: { requestId: id, attempt, endedAt: null },
      data: { endedAt: new Date(), outcome: outcome.slice(0, 500) },
    });
  }

  /** False when the request had ended before; then nothing was changed. */
  async end(id: string, attempt: number, ending: Ending): Promise<boolean> {
    const now = new Date();
    const [{ count }] = await this.#db.$transaction([
      this.#db.request.updateMany({
        where: { id, status: { in: OPEN } },
        data: { ...ending, finishedAt: now },
      }),
      this.#db.attempt.updateMany({
        where: { requestId: id, attempt, endedAt: null },
        data: { endedAt: now, outcome: ending.status },
      }),
    ]);
    return count === 1;
  }

  /** Deletes up to `limit` ended requests that began before and are in no conversation; returns their ids. */
  purge(before: Date, limit: number): Promise<string[]> {
    return this.#delete({ createdAt: { lt: before }, message: { is: null } }, limit);
  }

  /** Deletes up to `limit` ended requests of which nothing is to be kept; returns their ids. */
  erase(limit: number): Promise<string[]> {
    return this.#delete({ erase: true }, limit);
  }

  async #delete(which: Prisma.RequestWhereInput, limit: number): Promise<string[]> {
    const where = { ...which, status: { notIn: OPEN } };
    const rows = await this.#db.request.findMany({ where, take: limit, select: { id: true } });
    const ids = rows.map(({ id }) => id);
    if (ids.length > 0) await this.#db.request.deleteMany({ where: { id: { in: ids } } });
    return ids;
  }

  /** Deletes up to `limit` conversations without a question since; their requests go with `erase`. */
  async purgeConversations(unusedSince: Date, limit: number): Promise<number> {
    const where = { updatedAt: { lt: unusedSince } };
    const rows = await this.#db.conversation.findMany({ where, take: limit, select: { id: true } });
    const ids = rows.map(({ id }) => id);
    if (ids.length === 0) return 0;
    await this.#db.$transaction([
      this.#db.request.updateMany({
        where: { message: { conversationId: { in: ids } } },
        data: { erase: true, cancelled: true },
      }),
      this.#db.conversation.deleteMany({ where: { id: { in: ids } } }),
    ]);
    return ids.length;
  }

  async nodeIds(seenAfter: Date): Promise<string[]> {
    const rows = await this.#db.node.findMany({
      where: { OR: [{ lastSeenAt: { gt: seenAfter } }, { registeredAt: { gt: seenAfter } }] },
      select: { id: true },
    });
    return rows.map(({ id }) => id);
  }

  async nodesSeen(ids: string[]): Promise<void> {
    if (ids.length === 0) return;
    await this.#db.node.updateMany({
      where: { id: { in: ids } },
      data: { lastSeenAt: new Date() },
    });
  }
}

function segment(row: {
  attempt: number;
  nodeId: string;
  position: number;
  layers: number[];
  numerics: unknown;
}): Segment {
  const [first, last] = row.layers;
  return {
    attempt: row.attempt,
    nodeId: row.nodeId,
    position: row.position,
    layers: first === undefined || last === undefined ? null : [first, last],
    numerics: row.numerics === null ? null : NumericsProfile.parse(row.numerics),
  };
}
