/** Conversations as pages show them. */
import type { Prisma } from '@blyan/db/client';
import { Receipt } from '@blyan/protocol/answer';
import { SamplingParams } from '@blyan/protocol/sampling';
import { ConversationSettings } from '../../lib/conversation.ts';
import { pathTo } from '../../lib/tree.ts';
import { apiUsage, provenanceOf } from '../answers/provenance.ts';
import type { Context } from '../context.ts';
import { notFound } from '../http/errors.ts';
import type { Session } from '../session.ts';

export const conversationMissing = () =>
  notFound('conversation_not_found', 'There is no such conversation in this browser.', 'id');

/** What a page knows of one message: all but its ids of tokens. */
const MESSAGE = {
  id: true,
  parentId: true,
  role: true,
  text: true,
  createdAt: true,
  request: {
    select: {
      status: true,
      text: true,
      thinking: true,
      finishReason: true,
      errorCode: true,
      errorMessage: true,
      params: true,
      receipt: true,
    },
  },
} satisfies Prisma.MessageSelect;

type Row = Prisma.MessageGetPayload<{ select: typeof MESSAGE }>;

function viewOf({ request, ...row }: Row) {
  const view = {
    id: row.id,
    parent: row.parentId,
    role: row.role,
    text: row.text,
    createdAt: row.createdAt.getTime(),
  };
  if (row.role === 'user') return { ...view, answer: null };
  const receipt = Receipt.safeParse(request?.receipt).data ?? null;
  const params = SamplingParams.safeParse(request?.params).data ?? null;
  return {
    ...view,
    text: request?.text ?? '',
    answer: {
      // A request that is gone can say nothing more.
      status: request?.status ?? 'failed',
      thinking: request?.thinking ?? '',
      finishReason: receipt?.finishReason ?? null,
      usage: receipt && apiUsage(receipt.usage),
      provenance: receipt && provenanceOf(receipt),
      params: params && {
        temperature: params.temperature,
        topP: params.topP,
        maxTokens: params.maxTokens,
        seed: params.seed,
        probabilities: params.logprobs !== null,
      },
      problem:
        request?.status === 'failed' || !request
          ? {
              code: request?.errorCode ?? 'answer_lost',
              message: request?.errorMessage ?? 'The answer was not kept.',
            }
          : null,
    },
  };
}
export type MessageView = ReturnType<typeof viewOf>;

const messagesOf = async (conversationId: string, ctx: Context): Promise<MessageView[]> => {
  const rows = await ctx.db.message.findMany({
    where: { conversationId },
    orderBy: [{ createdAt: 'asc' }, { role: 'asc' }],
    select: MESSAGE,
  });
  return rows.map(viewOf);
};

/** @throws ApiError 404 when this browser has no such conversation */
export async function readConversation(id: string, session: Session, ctx: Context) {
  const row = await ctx.db.conversation.findUnique({ where: { id } });
  if (!row || !session.owner?.equals(row.owner)) throw conversationMissing();
  return {
    id,
    title: row.title,
    head: row.head,
    settings: ConversationSettings.safeParse(row.settings).data ?? {},
    shareToken: row.shareToken,
    updatedAt: row.updatedAt.getTime(),
    messages: await messagesOf(id, ctx),
  };
}
export type ConversationView = Awaited<ReturnType<typeof readConversation>>;

/**
 * A message for readers who may read it as long as the link is good: whoever knows the id of an answer,
 * or its receipt, reads it as long as it is kept, and could stop it while it is written.
 */
function withoutId({ answer, ...message }: MessageView, index: number) {
  const receipt = null as string | null;
  return {
    ...message,
    id: String(index),
    parent: index === 0 ? null : String(index - 1),
    answer: answer && {
      ...answer,
      provenance: answer.provenance && { ...answer.provenance, receipt },
    },
  };
}

/**
 * What a link shows: the branch that its owner reads, as it is now; what the owner replaced is nobody
 * else's. An answer that is being written is left out: its text is not here yet.
 * @throws ApiError 404 when nothing is shared under this token
 */
export async function readShared(shareToken: string, ctx: Context) {
  const row = await ctx.db.conversation.findUnique({ where: { shareToken } });
  if (!row) throw notFound('share_not_found', 'Nothing is shared under this link.', 'token');
  const all = new Map((await messagesOf(row.id, ctx)).map((message) => [message.id, message]));
  const path = pathTo(all, row.head);
  const open = path.findIndex(
    ({ answer }) => answer?.status === 'queued' || answer?.status === 'running',
  );
  const messages = (open === -1 ? path : path.slice(0, open)).map(withoutId);
  return {
    title: row.title,
    head: messages.at(-1)?.id ?? null,
    updatedAt: row.updatedAt.getTime(),
    messages,
  };
}

/** Of one page of the list: what fits a few screens. */
const PAGE = 40;
/** Wildcards of LIKE are characters like others for who searches. */
const literal = (text: string) => text.replace(/[\\%_]/g, (char) => `\\${char}`);

/** Newest first; `before` is the `updatedAt` of the last one of the page before. */
export async function listConversations(
  { search, before }: { search: string; before?: number | undefined },
  { owner }: Session,
  ctx: Context,
) {
  if (!owner) return { items: [], next: null };
  const contains = { contains: literal(search), mode: 'insensitive' as const };
  const found: Prisma.ConversationWhereInput = {
    OR: [
      { title: contains },
      { messages: { some: { OR: [{ text: contains }, { request: { text: contains } }] } } },
    ],
  };
  const rows = await ctx.db.conversation.findMany({
    where: {
      owner,
      ...(before === undefined ? {} : { updatedAt: { lt: new Date(before) } }),
      ...(search === '' ? {} : found),
    },
    orderBy: { updatedAt: 'desc' },
    take: PAGE + 1,
    select: { id: true, title: true, updatedAt: true, shareToken: true },
  });
  const items = rows.slice(0, PAGE).map(({ id, title, updatedAt, shareToken }) => ({
    id,
    title,
    updatedAt: updatedAt.getTime(),
    shared: shareToken !== null,
  }));
  return { items, next: rows.length > PAGE ? (items.at(-1)?.updatedAt ?? null) : null };
}
