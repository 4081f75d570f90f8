import { fromHex } from '@blyan/chain/hex';
import { type OwnAnswer, ownAnswersOfNode } from '@blyan/db/node-work';
import { ownAnswersOfModels } from '@blyan/db/tensor-uses';
import { Hash, NodeId, RequestId } from '@blyan/protocol/ids';
import { z } from 'zod';
import { readReceipt } from '../answers/receipt.ts';
import { tokensOf } from '../answers/tokens.ts';
import { MAX_MODELS } from '../explorer/tensors.ts';
import { modelDefaults } from '../model/defaults.ts';
import { procedure, router } from './init.ts';

/** Answers on the page of a node or a tensor: the latest ones. */
const MAX_OWN = 25;

const shown = (row: OwnAnswer) => ({ ...row, startedAt: row.startedAt.getTime() });

export const answersRouter = router({
  receipt: procedure
    .input(z.object({ id: RequestId }))
    .query(({ ctx, input }) => readReceipt(ctx, input.id)),

  /** Its tokens with their probabilities, where they were asked for. */
  tokens: procedure
    .input(z.object({ id: RequestId }))
    .query(({ ctx, input }) => tokensOf(input.id, ctx)),

  /** Of this browser's conversations: those that a node had a part in. */
  ofNode: procedure.input(z.object({ node: NodeId })).query(async ({ ctx, input }) => {
    const { owner } = ctx.session;
    const rows = owner ? await ownAnswersOfNode(ctx.db, input.node, owner, MAX_OWN) : [];
    return rows.map(shown);
  }),

  /** The same: those of the models that a tensor is a part of. */
  ofModels: procedure
    .input(z.object({ models: z.array(Hash).max(MAX_MODELS) }))
    .query(async ({ ctx, input }) => {
      const { owner } = ctx.session;
      const models = input.models.map(fromHex);
      const rows = owner ? await ownAnswersOfModels(ctx.db, models, owner, MAX_OWN) : [];
      return rows.map(shown);
    }),

  /** Parameters of a question that names none. */
  defaults: procedure.query(({ ctx }) => modelDefaults(ctx)),
});
