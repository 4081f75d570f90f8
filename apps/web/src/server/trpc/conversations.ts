import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { AskInput, Id } from '../../lib/conversation.ts';
import { MAX_TITLE } from '../../lib/conversation-limits.ts';
import { askIn } from '../conversations/ask.ts';
import { eraseConversations } from '../conversations/erase.ts';
import { EXPORT_FORMATS, exportConversation } from '../conversations/export.ts';
import {
  conversationMissing,
  listConversations,
  readConversation,
  readShared,
} from '../conversations/read.ts';
import { limitedProcedure, procedure, router, type TrpcContext } from './init.ts';

const ById = z.object({ id: Id });

/** @throws ApiError 404 */
async function change(
  id: string,
  data: { title?: string; head?: string; shareToken?: string | null },
  ctx: TrpcContext,
): Promise<void> {
  const { owner } = ctx.session;
  const { count } = owner
    ? await ctx.db.conversation.updateMany({ where: { id, owner }, data })
    : { count: 0 };
  if (count === 0) throw conversationMissing();
}

/** Conversations of the browser that asks; nobody else's are there for it. */
export const conversationsRouter = router({
  list: procedure
    .input(
      z.object({
        search: z.string().max(200).default(''),
        /** `updatedAt` of the last one that is known; called `cursor` because the client pages by it. */
        cursor: z.number().int().nullish(),
      }),
    )
    .query(({ ctx, input: { search, cursor } }) =>
      listConversations({ search: search.trim(), before: cursor ?? undefined }, ctx.session, ctx),
    ),

  get: procedure
    .input(ById)
    .query(({ ctx, input: { id } }) => readConversation(id, ctx.session, ctx)),

  ask: limitedProcedure.input(AskInput).mutation(async ({ ctx, input }) => {
    await askIn(input, ctx.session, ctx);
    return { answer: input.answer };
  }),

  rename: procedure
    .input(ById.extend({ title: z.string().trim().min(1).max(MAX_TITLE) }))
    .mutation(({ ctx, input: { id, title } }) => change(id, { title }, ctx)),

  /** Remembers which branch is read. */
  select: procedure
    .input(ById.extend({ head: Id }))
    .mutation(({ ctx, input: { id, head } }) => change(id, { head }, ctx)),

  /** Makes a link; one that there is stays. */
  share: procedure.input(ById).mutation(async ({ ctx, input: { id } }) => {
    const { shareToken } = await readConversation(id, ctx.session, ctx);
    const token = shareToken ?? randomBytes(24).toString('base64url');
    if (!shareToken) await change(id, { shareToken: token }, ctx);
    return { token };
  }),

  /** The link shows nothing any more, for good: a new one is another. */
  unshare: procedure
    .input(ById)
    .mutation(({ ctx, input: { id } }) => change(id, { shareToken: null }, ctx)),

  delete: procedure.input(ById).mutation(async ({ ctx, input: { id } }) => {
    if ((await eraseConversations([id], ctx.session, ctx)) === 0) throw conversationMissing();
  }),

  deleteAll: procedure.mutation(async ({ ctx }) => ({
    deleted: await eraseConversations('all', ctx.session, ctx),
  })),

  export: procedure
    .input(ById.extend({ format: z.enum(EXPORT_FORMATS) }))
    .query(async ({ ctx, input: { id, format } }) =>
      exportConversation(await readConversation(id, ctx.session, ctx), format),
    ),

  /** For anybody who has the link. */
  shared: procedure
    .input(z.object({ token: Id }))
    .query(({ ctx, input: { token } }) => readShared(token, ctx)),
});
