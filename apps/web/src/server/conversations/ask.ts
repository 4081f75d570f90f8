/** Asks within a conversation: what the model reads comes from the tables, never from the page. */
import { toHex } from '@blyan/chain/hex';
import type { ChatMessage } from '@blyan/protocol/api';
import {
  type AskInput,
  type ConversationSettings,
  MAX_CONVERSATIONS,
  MAX_NODES,
  titleOf,
} from '../../lib/conversation.ts';
import { joinParts, pathTo, turnsOf } from '../../lib/tree.ts';
import { askWith, isUniqueViolation, type Question } from '../answers/ask.ts';
import { freshCluster, servedHashes } from '../cluster.ts';
import type { Context } from '../context.ts';
import { ApiError } from '../http/errors.ts';
import type { Session } from '../session.ts';
import { conversationMissing, type MessageView, readConversation } from './read.ts';

/** Alternatives that the token view lists beside each token. */
const TOP_LOGPROBS = 5;

const conflict = (code: string, message: string) => new ApiError(409, code, message);

/**
 * Twice with the same ids is once. Request and messages are written together, so that a request which is
 * there already is an answer of this conversation or somebody else's, who keeps it.
 * @throws ApiError 400, 404, 409, 503 before anything is written
 */
export async function askIn(input: AskInput, session: Session, ctx: Context): Promise<void> {
  const { conversation: id, parent, question } = input;
  const owner = session.begin();
  const known = await ctx.db.conversation.findUnique({ where: { id }, select: { owner: true } });
  if (known && !owner.equals(known.owner)) throw conversationMissing();
  const messages = known ? (await readConversation(id, session, ctx)).messages : [];
  // An earlier try got through, and its reply did not.
  if (messages.some((message) => message.id === input.answer)) return;
  const path = pathTo(new Map(messages.map((message) => [message.id, message])), parent);
  if (parent !== null && path.length === 0) throw conversationMissing();
  if (path.some(({ answer }) => answer?.status === 'queued' || answer?.status === 'running'))
    throw conflict('answer_open', 'The answer before is still being written.');
  if (messages.length + 2 > MAX_NODES)
    throw conflict('conversation_full', `A conversation has at most ${MAX_NODES} messages.`);
  if (!known && (await ctx.db.conversation.count({ where: { owner } })) >= MAX_CONVERSATIONS)
    throw conflict('too_many_conversations', `A browser has at most ${MAX_CONVERSATIONS} of them.`);

  // Asked again: what was asked then, whatever the page says now.
  const asked = messages.find((message) => message.id === question?.id);
  const text = asked?.text ?? question?.text ?? '';
  const same = { ...input, question: question && { ...question, text } };
  const asking = await questionOf(same, path, ctx);
  const now = Date.now();
  const changed = { head: input.answer, settings: input.settings, updatedAt: new Date(now) };
  const conversation = known
    ? ctx.db.conversation.update({ where: { id, owner }, data: changed })
    : ctx.db.conversation.create({
        data: { id, owner, title: titleOf(text), createdAt: new Date(now), ...changed },
      });
  const shared = { conversationId: id };
  const questions = question
    ? [{ ...shared, id: question.id, parentId: parent, role: 'user' as const, text }]
    : [];
  const answer = {
    ...shared,
    id: input.answer,
    parentId: question?.id ?? parent,
    role: 'assistant' as const,
    requestId: input.answer,
    // Behind its question.
    createdAt: new Date(now + 1),
  };
  try {
    await askWith(
      asking,
      [
        conversation,
        ctx.db.message.createMany({
          data: questions.map((row) => ({ ...row, createdAt: new Date(now) })),
          skipDuplicates: true,
        }),
        ctx.db.message.create({ data: answer }),
      ],
      ctx,
    );
  } catch (error) {
    if (isMissing(error)) throw conversationMissing();
    if (!isUniqueViolation(error)) throw error;
    const where = { id: input.answer, conversation: { id, owner } };
    // The same was asked at the same time.
    if ((await ctx.db.message.count({ where })) > 0) return;
    throw conflict('id_taken', 'There is another answer with this id.');
  }
}

/** Of an update: it was deleted meanwhile. */
const isMissing = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'P2025';

async function questionOf(
  { question, answer, settings }: AskInput,
  path: MessageView[],
  ctx: Context,
): Promise<Question & { id: string }> {
  const shared = {
    id: answer,
    promptField: 'messages',
    params: {
      temperature: settings.temperature,
      topP: settings.top_p,
      maxTokens: settings.max_tokens,
      seed: settings.seed,
      logprobs: settings.probabilities ? TOP_LOGPROBS : null,
    },
    stop: [],
  };
  const last = path.at(-1);
  if (!question && last?.role === 'assistant') return { ...shared, ...(await goOn(last, ctx)) };
  const messages = turnsBefore(path, settings);
  if (question) messages.push({ role: 'user', content: question.text });
  if (messages.at(-1)?.role !== 'user')
    throw new ApiError(400, 'missing_field', 'There is no question to answer.', {
      param: 'question',
    });
  return { ...shared, model: null, prompt: { messages, thinking: settings.thinking ?? false } };
}

/** The turns of a path; questions whose answers have no text are left out. */
export function turnsBefore(path: MessageView[], settings: ConversationSettings): ChatMessage[] {
  const messages: ChatMessage[] = [];
  for (const { role, parts } of turnsOf(path)) {
    const content = joinParts(parts.map(({ text }) => text));
    if (content !== '') messages.push({ role, content });
    // A question without an answer would stand before the next question.
    else if (role === 'assistant') messages.pop();
  }
  const system = settings.system?.trim();
  if (system) messages.unshift({ role: 'system', content: system });
  return messages;
}

/** Exactly where an answer was cut: its own prompt and its own tokens, not its text read again. */
async function goOn(
  { id }: MessageView,
  ctx: Context,
): Promise<Pick<Question, 'model' | 'prompt'>> {
  const row = await ctx.db.request.findUnique({
    where: { id },
    select: { model: true, prompt: true, output: true, continues: true, finishReason: true },
  });
  if (!row || row.output.length === 0 || row.finishReason === 'stop')
    throw conflict('nothing_to_continue', 'This answer has nothing to go on with.');
  const hash = toHex(row.model);
  const models = await ctx.models.list();
  const model = models.find((listed) => listed.hash === hash);
  const served = servedHashes(await freshCluster(ctx.redis));
  const found = model && !model.retired ? await ctx.models.resolve(model.name, served) : null;
  if (found?.hash !== hash)
    throw conflict('model_gone', 'The model that wrote this answer is not served any more.');
  const ids = [...row.prompt, ...row.output];
  return { model: found.name, prompt: { ids, continues: row.continues + row.output.length } };
}
