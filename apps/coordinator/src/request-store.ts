/**
 * The rows of requests and attempts: the truth, whatever queues and streams say. Every statement
 * names the state that it expects, and the term in whose name it writes, so that a late writer
 * changes nothing.
 */

import { Prisma, type PrismaClient } from '@blyan/db/client';
import type { Receipt } from '@blyan/protocol/answer';
import { NodeId } from '@blyan/protocol/ids';
import { NumericsProfile } from '@blyan/protocol/node';
import { NodeScope } from '@blyan/protocol/register';
import { SamplingParams } from '@blyan/protocol/sampling';
import type { Term } from '@blyan/queue/term';
import { z } from 'zod';
import type { AnswerInput, Segment } from './answer.ts';
import { CoordinatorError } from './errors.ts';
import { termRow } from './leader/lease.ts';
import type { NodeRow } from './nodes.ts';

const now = Prisma.sql`now() AT TIME ZONE 'utc'`;
const Stages = z.array(
  z.object({
    nodeId: NodeId,
    layers: z.tuple([z.number().int(), z.number().int()]),
    numerics: NumericsProfile,
  }),
);
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
  readonly #term: Term;

  constructor({ db, term }: { db: PrismaClient; term: Term }) {
    this.#db = db;
    this.#term = term;
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
   *
   * @throws CoordinatorError DEPOSED
   */
  async claim(id: string, next: Segment): Promise<boolean> {
    const numerics = next.numerics === null ? null : JSON.stringify(next.numerics);
    const stages = next.stages === null ? null : JSON.stringify(next.stages);
    return this.#inTerm(Prisma.sql`
      claimed AS (
        UPDATE "Request"
        SET status = 'running'::"RequestStatus", attempt = ${next.attempt},
            "startedAt" = COALESCE("startedAt", ${now})
        WHERE id = ${id} AND attempt = ${next.attempt - 1} AND NOT cancelled
          AND status IN ('queued'::"RequestStatus", 'running'::"RequestStatus")
          AND EXISTS (SELECT 1 FROM term)
        RETURNING id
      ), changed AS (
        INSERT INTO "Attempt" ("requestId", attempt, "nodeId", "startedAt", position, layers,
                               numerics, stages)
        SELECT id, ${next.attempt}, ${next.nodeId}, ${now}, ${next.position},
               ${next.layers ?? []}::int[], ${numerics}::jsonb, ${stages}::jsonb
        FROM claimed
        RETURNING 1
      )`);
  }

  /** @throws CoordinatorError DEPOSED */
  async closeAttempt(id: string, attempt: number, outcome: string): Promise<void> {
    await this.#inTerm(Prisma.sql`
      changed AS (
        UPDATE "Attempt" SET "endedAt" = ${now}, outcome = ${outcome.slice(0, 500)}
        WHERE "requestId" = ${id} AND attempt = ${attempt} AND "endedAt" IS NULL
          AND EXISTS (SELECT 1 FROM term)
        RETURNING 1
      )`);
  }

  /**
   * False when the request had ended before; then nothing was changed.
   *
   * @throws CoordinatorError DEPOSED
   */
  async end(id: string, attempt: number, ending: Ending): Promise<boolean> {
    const { status, output, text, thinking } = ending;
    const { finishReason, receipt, errorCode, errorMessage } = ending;
    const json = receipt === undefined ? null : JSON.stringify(receipt);
    return this.#inTerm(Prisma.sql`
      changed AS (
        UPDATE "Request"
        SET status = ${status}::"RequestStatus", output = ${output}::int[], text = ${text},
            thinking = ${thinking}, "finishReason" = ${finishReason ?? null}, receipt = ${json}::jsonb,
            "errorCode" = ${errorCode ?? null}, "errorMessage" = ${errorMessage ?? null},
            "finishedAt" = ${now}
        WHERE id = ${id} AND status IN ('queued'::"RequestStatus", 'running'::"RequestStatus")
          AND EXISTS (SELECT 1 FROM term)
        RETURNING 1
      ), closed AS (
        UPDATE "Attempt" SET "endedAt" = ${now}, outcome = ${status}
        WHERE "requestId" = ${id} AND attempt = ${attempt} AND "endedAt" IS NULL
          AND EXISTS (SELECT 1 FROM term)
      )`);
  }

  /** Runs what makes a table `changed`; true when that has a row. */
  async #inTerm(steps: Prisma.Sql): Promise<boolean> {
    const rows = await this.#db.$queryRaw<{ led: boolean; changed: boolean }[]>`
      WITH term AS MATERIALIZED (${termRow(this.#term.token)}), ${steps}
      SELECT EXISTS (SELECT 1 FROM term) AS led, EXISTS (SELECT 1 FROM changed) AS changed`;
    const [row] = rows;
    if (!row?.led) {
      this.#term.deposed();
      throw new CoordinatorError('DEPOSED', 'another coordinator leads');
    }
    return row.changed;
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

  /** What admins and marks say of nodes. */
  async nodeRows(seenAfter: Date): Promise<NodeRow[]> {
    const rows = await this.#db.node.findMany({
      where: { OR: [{ lastSeenAt: { gt: seenAfter } }, { registeredAt: { gt: seenAfter } }] },
      select: {
        id: true,
        publicKey: true,
        draining: true,
        evictedAt: true,
        mark: true,
        keyId: true,
        registeredAt: true,
        key: { select: { scopes: true } },
      },
    });
    return rows.map(({ id, publicKey, draining, evictedAt, mark, keyId, registeredAt, key }) => ({
      id,
      publicKey: publicKey && Buffer.from(publicKey).toString('hex'),
      draining,
      evicted: evictedAt !== null,
      mark,
      keyId,
      registeredAt: registeredAt?.getTime() ?? 0,
      scopes: z.array(NodeScope).parse(key?.scopes ?? []),
    }));
  }

  /** Notes why a node is not chosen any more; an earlier mark stays. @throws CoordinatorError DEPOSED */
  async markNode(id: string, mark: string): Promise<void> {
    await this.#inTerm(Prisma.sql`
      changed AS (
        UPDATE "Node" SET mark = ${mark.slice(0, 500)}, "markedAt" = ${now}
        WHERE id = ${id} AND mark IS NULL AND EXISTS (SELECT 1 FROM term)
        RETURNING 1
      )`);
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
  stages: unknown;
}): Segment {
  const [first, last] = row.layers;
  return {
    attempt: row.attempt,
    nodeId: row.nodeId,
    position: row.position,
    layers: first === undefined || last === undefined ? null : [first, last],
    numerics: row.numerics === null ? null : NumericsProfile.parse(row.numerics),
    stages: row.stages === null ? null : Stages.parse(row.stages),
  };
}
