import {
  createNodeKey,
  disableNodeKey,
  editNodeKey,
  enableNodeKey,
  type KeyChange,
  type KeyInfo,
  keyState,
  listNodeKeys,
  MAX_GRACE_DAYS,
  MAX_NODES,
  MAX_RANGES,
  revokeNodeKey,
  rotateNodeKey,
} from '@blyan/db/node-keys';
import { NodeScope } from '@blyan/protocol/register';
import { z } from 'zod';
import { cutNodes } from '../../admin/cut.ts';
import { router } from '../init.ts';
import { adminProcedure, confirmedProcedure } from './procedures.ts';

const Id = z.object({ id: z.string().max(64) });
const Limits = z.object({
  name: z.string().trim().max(64),
  maxNodes: z.number().int().min(1).max(MAX_NODES),
  addresses: z.array(z.string().trim().max(64)).max(MAX_RANGES),
  expiresAt: z.date().nullable(),
});

/** With the state of now, so that pages and CSV agree on it. */
const shown = <K extends KeyInfo>(key: K) => ({ ...key, state: keyState(key) });

export const keysRouter = router({
  list: adminProcedure.query(async ({ ctx }) => (await listNodeKeys(ctx.db)).map(shown)),

  create: confirmedProcedure
    .input(
      Limits.extend({
        scopes: z.array(NodeScope).min(1),
        addresses: Limits.shape.addresses.default([]),
        expiresAt: Limits.shape.expiresAt.default(null),
      }),
    )
    .mutation(async ({ ctx, input }) => {
      const { secret, key } = await createNodeKey(ctx.db, input, ctx.actor);
      return { secret, key: shown(key) };
    }),

  /** What it allows may grow by this: as for a new key. */
  edit: confirmedProcedure
    .input(Id.extend(Limits.partial().shape))
    .mutation(({ ctx, input }) => finish(ctx, editNodeKey(ctx.db, input, ctx.actor))),

  rotate: confirmedProcedure
    .input(Id.extend({ graceDays: z.number().min(0).max(MAX_GRACE_DAYS) }))
    .mutation(async ({ ctx, input }) => {
      const change = await rotateNodeKey(ctx.db, input, ctx.actor);
      await cutNodes(ctx, change.cut);
      return { secret: change.secret, key: shown(change.key), cut: change.cut };
    }),

  disable: adminProcedure
    .input(Id)
    .mutation(({ ctx, input }) => finish(ctx, disableNodeKey(ctx.db, input.id, ctx.actor))),

  enable: adminProcedure
    .input(Id)
    .mutation(({ ctx, input }) => finish(ctx, enableNodeKey(ctx.db, input.id, ctx.actor))),

  revoke: adminProcedure
    .input(Id.extend({ typed: z.string().max(64) }))
    .mutation(({ ctx, input }) => finish(ctx, revokeNodeKey(ctx.db, input, ctx.actor))),
});

async function finish(ctx: Parameters<typeof cutNodes>[0], change: Promise<KeyChange>) {
  const { key, cut } = await change;
  await cutNodes(ctx, cut);
  return { key: shown(key), cut };
}
