/** Deleting means deleting: rows, streams and what waits in queues, not a mark on them. */
import { removeAnswers } from '@blyan/queue/answer-stream';
import { tellCoordinator } from '@blyan/queue/control';
import type { Context } from '../context.ts';
import type { Session } from '../session.ts';

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
  const which = ids === 'all' ? { owner } : { owner, id: { in: ids } };
  const requests = await ctx.db.request.findMany({
    where: { message: { conversation: which } },
    select: { id: true },
  });
  const requestIds = requests.map(({ id }) => id);
  const [, { count }] = await ctx.db.$transaction([
    ctx.db.request.updateMany({
      where: { id: { in: requestIds } },
      data: { erase: true, cancelled: true },
    }),
    ctx.db.conversation.deleteMany({ where: which }),
  ]);
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
