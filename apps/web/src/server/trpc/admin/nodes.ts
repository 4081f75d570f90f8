import { drainNode, evictNode, liftNode } from '@blyan/db/node-admin';
import { NodeId } from '@blyan/protocol/ids';
import { tellNode } from '@blyan/queue/control';
import { z } from 'zod';
import { cutNodes } from '../../admin/cut.ts';
import { listNodes } from '../../admin/nodes.ts';
import { router } from '../init.ts';
import { adminProcedure } from './procedures.ts';

const Id = z.object({ id: NodeId });

export const nodesRouter = router({
  list: adminProcedure.query(({ ctx }) => listNodes(ctx)),

  drain: adminProcedure.input(Id).mutation(async ({ ctx, input }) => {
    await drainNode(ctx.db, input.id, true, ctx.actor);
    // Its next heartbeat tells it too, should this be lost.
    await tellNode(ctx.redis, input.id, { type: 'drain' });
  }),

  evict: adminProcedure.input(Id).mutation(async ({ ctx, input }) => {
    await evictNode(ctx.db, input.id, ctx.actor);
    await cutNodes(ctx, [input.id]);
  }),

  lift: adminProcedure.input(Id).mutation(async ({ ctx, input }) => {
    await liftNode(ctx.db, input.id, ctx.actor);
  }),
});
