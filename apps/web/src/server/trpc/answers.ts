import { ownAnswersOfNode } from '@blyan/db/node-work';
import { NodeId, RequestId } from '@blyan/protocol/ids';
import { z } from 'zod';
import { readReceipt } from '../answers/receipt.ts';
import { tokensOf } from '../answers/tokens.ts';
import { modelDefaults } from '../model/defaults.ts';
import { procedure, router } from './init.ts';

/** Answers of one node on its page: the latest ones. */
const MAX_OWN = 25;

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
    return rows.map((row) => ({ ...row, startedAt: row.startedAt.getTime() }));
  }),

  /** Parameters of a question that names none. */
  defaults: procedure.query(({ ctx }) => modelDefaults(ctx)),
});
