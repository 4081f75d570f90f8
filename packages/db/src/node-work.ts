/** What a node did: the answers that it had a part in, as far as they are still kept. */
import type { Hash } from '@blyan/chain/types';
import { bytes } from './blocks.ts';
import { Prisma, type Tx } from './client.ts';
import { MAX_ANSWERS } from './explorer.ts';

export interface NodeWork {
  model: Hash;
  /** Null when the model block is not here. */
  name: string | null;
  /** Answers that it had a part in; those that were finished, by whomever. */
  answers: number;
  completed: number;
  first: Date;
  last: Date;
}

/** Alone or as the head of a pipeline, or as another stage of one. */
const stageOf = (id: string) =>
  Prisma.sql`a."stages" @> ${JSON.stringify([{ nodeId: id }])}::jsonb`;

/** By model, the latest first. @returns `more`: only so many of them are counted */
export async function workOfNode(db: Tx, id: string): Promise<{ work: NodeWork[]; more: boolean }> {
  const part = (where: Prisma.Sql, order: Prisma.Sql) => Prisma.sql`
    (SELECT a."requestId", a."startedAt" FROM "Attempt" a WHERE ${where} ${order}
     LIMIT ${MAX_ANSWERS})`;
  const rows = await db.$queryRaw<(NodeWork & { attempts: number })[]>`
    SELECT r."model", m."name", count(*)::int AS "attempts", count(DISTINCT r."id")::int AS "answers",
      count(DISTINCT r."id") FILTER (WHERE r."status" = 'completed')::int AS "completed",
      min(own."startedAt") AS "first", max(own."startedAt") AS "last"
    FROM (${part(Prisma.sql`a."nodeId" = ${id}`, Prisma.sql`ORDER BY a."startedAt" DESC`)}
      UNION ALL ${part(Prisma.sql`${stageOf(id)} AND a."nodeId" <> ${id}`, Prisma.empty)}) AS own
    JOIN "Request" r ON r."id" = own."requestId" LEFT JOIN "Model" m ON m."hash" = r."model"
    GROUP BY r."model", m."name" ORDER BY "last" DESC`;
  const attempts = rows.reduce((sum, row) => sum + row.attempts, 0);
  return { work: rows.map(({ attempts: _, ...row }) => row), more: attempts >= MAX_ANSWERS };
}

export interface OwnAnswer {
  id: string;
  startedAt: Date;
  status: string;
  model: string | null;
}

/** Answers in the conversations of one browser that a node had a part in, the latest first. */
export function ownAnswersOfNode(
  db: Tx,
  id: string,
  owner: Uint8Array,
  limit: number,
): Promise<OwnAnswer[]> {
  return db.$queryRaw<OwnAnswer[]>`
    SELECT r."id", max(a."startedAt") AS "startedAt", r."status"::text AS "status", m."name" AS "model"
    FROM "Conversation" c JOIN "Message" s ON s."conversationId" = c."id"
      JOIN "Attempt" a ON a."requestId" = s."requestId" JOIN "Request" r ON r."id" = a."requestId"
      LEFT JOIN "Model" m ON m."hash" = r."model"
    WHERE c."owner" = ${bytes(owner)} AND (a."nodeId" = ${id} OR ${stageOf(id)})
    GROUP BY r."id", r."status", m."name" ORDER BY "startedAt" DESC LIMIT ${limit}`;
}
