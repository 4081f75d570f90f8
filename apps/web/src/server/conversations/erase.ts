/** Deleting means deleting: rows, streams and what waits in queues, not a mark on them. */
import { Prisma } from '@blyan/db/client';
import { removeAnswers } from '@blyan/queue/answer-stream';
import { tellCoordinator } from '@blyan/queue/control';
import type { Context } from '../context.ts';
import type { Session } from '../session.ts';

/** All that a browser has, at most. */
const TRANSACTION = { maxWait: 5000, timeout: 30_000 };

/**
 * Deletes conversations of this browser with all that belongs to them; returns how many. Answers
 * that are being written are stopped, and the coordinator deletes them as soon as they have ended
 * (it alone writes to their streams).
 * @param ids those, or all
 */
export async function eraseConversations(
  ids: string[] | 'all',
  { owner }: Session,
  ctx: Context,
): Promise<number> {
  if (!owner) return 0;
  const those = ids === 'all' ? Prisma.empty : Prisma.sql`AND id = ANY(${ids})`;
  const { requestIds, count } = await ctx.db.$transaction(async (tx) => {
    // A question that is being taken in waits for this, and then finds no conversation.
    const locked = await tx.$queryRaw<{ id: string }[]>`
      SELECT id FROM "Conversation" WHERE owner = ${owner} ${those} ORDER BY id FOR UPDATE`;
    const where = { id: { in: locked.map(({ id }) => id) } };
    const requests = await tx.request.findMany({
      where: { message: { conversation: where } },
      select: { id: true },
    });
    const requestIds = requests.map(({ id }) => id);
    await tx.request.updateMany({
      where: { id: { in: requestIds } },
      data: { erase: true, cancelled: true },
    });
    return { requestIds, ...(await tx.conversation.deleteMany({ where })) };
  }, TRANSACTION);
  const ended = { erase: true, status: { notIn: ['queued' as const, 'running' as const] } };
  const open = await ctx.db.request.findMany({
    where: { id: { in: requestIds }, NOT: ended },
    select: { id: true },
  });
  await ctx.db.request.deleteMany({ where: { id: { in: requestIds }, ...ended } });
  const openIds = new Set(open.map(({ id }) => id));
  try {
    await removeAnswers(
      ctx.redis,
      requestIds.filter((id) => !openIds.has(id)),
    );
    for (const id of openIds) {
      await ctx.intake.remove(id);
      await tellCoordinator(ctx.redis, { type: 'cancel', requestId: id });
    }
  } catch (err) {
    // The flags are set: the coordinator looks for them by itself. Streams expire.
    ctx.logger.warn({ err }, 'deleted conversations could not be told of');
  }
  return count;
}
