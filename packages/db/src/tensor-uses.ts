/** What uses a tensor: layer blocks that hold it, models that name one of these, a reader's own answers. */
import type { Hash } from '@blyan/chain/types';
import { bytes } from './blocks.ts';
import { Prisma, type Tx } from './client.ts';
import type { ModelRow, TensorUse } from './explorer.ts';
import { after, by, type Cursor, page } from './keyset.ts';
import type { OwnAnswer } from './node-work.ts';

/** Layer blocks that hold a tensor, newest first; one that holds it twice is there twice. */
export async function usesOfTensor(
  db: Tx,
  root: Hash,
  { limit, cursor }: { limit: number; cursor: Cursor | null },
) {
  const [key, id] = [Prisma.sql`t."height"`, Prisma.sql`t."position"`];
  const rows = await db.$queryRaw<TensorUse[]>`
    SELECT t.*, b."hash" AS "block" FROM "Tensor" t
    JOIN "Block" b ON b."chain" = 'B' AND b."height" = t."height"
    WHERE t."root" = ${bytes(root)} ${after(key, id, 'desc', cursor)}
    ${by(key, id, 'desc')} LIMIT ${limit + 1}`;
  return page(rows, limit, ({ height, position }) => ({ key: height, id: position }));
}

/** A model with the first of its tensors that has the root. */
export type ModelOfTensor = ModelRow & {
  /** Layer block, on chain B. */
  block: Hash;
  layerHeight: number;
  group: string;
  tensor: string;
};

/**
 * Models that a tensor is a part of, newest first, in whichever of the blocks that hold it. Of each block no
 * more are looked at than are wanted: a layer may be in every model.
 */
export function modelsOfTensor(db: Tx, root: Hash, limit: number): Promise<ModelOfTensor[]> {
  return db.$queryRaw<ModelOfTensor[]>`
    SELECT m.*, own."block", own."layerHeight", own."group", own."tensor" FROM (
      SELECT DISTINCT ON (l."model") l."model", l."block", l."height" AS "layerHeight", l."group",
        t."name" AS "tensor"
      FROM "Tensor" t,
        LATERAL (SELECT * FROM "ModelLayer" WHERE "height" = t."height"
                 ORDER BY "model" DESC LIMIT ${limit}) AS l
      WHERE t."root" = ${bytes(root)}
      ORDER BY l."model" DESC, l."position", t."position" LIMIT ${limit}) AS own
    JOIN "Model" m ON m."height" = own."model" ORDER BY m."height" DESC`;
}

/** Answers in the conversations of one browser that these models gave, the latest first. */
export function ownAnswersOfModels(
  db: Tx,
  models: readonly Hash[],
  owner: Uint8Array,
  limit: number,
): Promise<OwnAnswer[]> {
  if (models.length === 0) return Promise.resolve([]);
  return db.$queryRaw<OwnAnswer[]>`
    SELECT r."id", r."createdAt" AS "startedAt", r."status"::text AS "status", m."name" AS "model"
    FROM "Conversation" c JOIN "Message" s ON s."conversationId" = c."id"
      JOIN "Request" r ON r."id" = s."requestId" LEFT JOIN "Model" m ON m."hash" = r."model"
    WHERE c."owner" = ${bytes(owner)} AND r."model" IN (${Prisma.join(models.map(bytes))})
      AND r."status" = 'completed'
    ORDER BY r."createdAt" DESC LIMIT ${limit}`;
}
