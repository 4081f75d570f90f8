/** Takes in a question: checks it whole, writes the row that is the truth, announces its id. */
import { randomBytes } from 'node:crypto';
import { fromHex, toHex } from '@blyan/chain/hex';
import type { Prisma } from '@blyan/db/client';
import type { Tokenizer } from '@blyan/model/tokenizer';
import type { BlockRef } from '@blyan/protocol/answer';
import type { ChatMessage } from '@blyan/protocol/api';
import { SamplingParams } from '@blyan/protocol/sampling';
import { tellCoordinator } from '@blyan/queue/control';
import { availability, freshCluster, servedHashes, unavailableError } from '../cluster.ts';
import type { Context } from '../context.ts';
import { ApiError, isNamed, shuttingDown } from '../http/errors.ts';
import type { ServedModel } from '../model/served.ts';
import {
  type AskedParams,
  checkIds,
  choiceSeed,
  contextExceeded,
  resolveParams,
} from './params.ts';

export interface Question {
  /** Chosen by the client, or null. */
  id: string | null;
  model: string | null;
  prompt:
    | { messages: ChatMessage[]; thinking: boolean }
    | { text: string }
    /** `continues`: so many of the last ids are the beginning of the answer, told before. */
    | { ids: number[]; continues?: number };
  /** Field that the prompt came from, for errors. */
  promptField: string;
  params: AskedParams;
  stop: string[];
}

export interface Asked {
  id: string;
  model: { name: string; block: BlockRef };
  promptTokens: number;
  params: SamplingParams;
  /** Unix ms after which nobody waits any more. */
  deadline: number;
}

/** An announcement is one command; Redis answered another one just before. */
const ANNOUNCE_TIMEOUT_MS = 2000;

/**
 * Twice with one id is one answer.
 * @throws ApiError 400, 404, 429, 503 before anything is written
 */
export async function ask(question: Question, ctx: Context): Promise<Asked> {
  const known = question.id ? await findAsked(question.id, ctx) : null;
  if (known) {
    ctx.admission.taken();
    return known;
  }
  const id = question.id ?? newId();
  const ready = await prepare(question, 1, ctx);
  try {
    const [asked] = await take([id], ready, ctx);
    return asked!;
  } catch (error) {
    const other = isUniqueViolation(error) ? await findAsked(id, ctx) : null;
    if (other) return other;
    throw error;
  }
}

/**
 * Asks for several answers to one question, one or more: all or none are taken in.
 * @throws ApiError as `ask` does
 */
export async function askChoices(
  question: Question,
  count: number,
  ctx: Context,
): Promise<{ asked: Asked[]; tokenizer: Tokenizer }> {
  const ready = await prepare(question, count, ctx);
  const asked = await take(Array.from({ length: count }, newId), ready, ctx);
  return { asked, tokenizer: ready.model.tokenizer };
}

/**
 * Asks under an id that nobody has asked under, and writes what belongs to it: all or nothing.
 * @throws ApiError as `ask` does; what the writes throw, of which P2002 may also say that the id is taken
 */
export async function askWith(
  question: Question & { id: string },
  writes: Prisma.PrismaPromise<unknown>[],
  ctx: Context,
): Promise<void> {
  await take([question.id], await prepare(question, 1, ctx), ctx, writes);
}

const newId = () => randomBytes(18).toString('base64url');

/** A question that can be answered. */
interface Ready {
  model: ServedModel;
  prompt: number[];
  continues: number;
  params: SamplingParams;
  stop: string[];
}

async function prepare(question: Question, answers: number, ctx: Context): Promise<Ready> {
  if (ctx.stopping.asked.aborted) throw shuttingDown();
  const [cluster] = await Promise.all([freshCluster(ctx.redis), ctx.admission.check()]);
  const listed = await ctx.models.resolve(question.model, servedHashes(cluster));
  // Before it is loaded: one that nobody serves would take the place of one that is served.
  const state = availability(cluster, listed.hash);
  if (state.state === 'unavailable') throw unavailableError(state);
  const model = await ctx.models.load(listed);
  const prompt = promptIds(question, model);
  const read = prompt.length;
  let params: SamplingParams;
  try {
    params = resolveParams(question.params, model, {
      promptTokens: read,
      promptField: question.promptField,
      defaultMaxTokens: ctx.config.defaultMaxTokens,
    });
  } catch (error) {
    await ctx.admission.waste(read);
    throw error;
  }
  await ctx.admission.spend({ tokens: read + answers * params.maxTokens, answers, read });
  const continues = 'ids' in question.prompt ? (question.prompt.continues ?? 0) : 0;
  return { model, prompt, continues, params, stop: question.stop };
}

/** Writes a row for each id, with other writes where there are some, and announces them. */
async function take(
  ids: string[],
  ready: Ready,
  ctx: Context,
  writes: Prisma.PrismaPromise<unknown>[] = [],
) {
  const { model, prompt, continues, params, stop } = ready;
  const deadline = Date.now() + ctx.config.requestTimeoutMs;
  const block = { chain: 'A' as const, height: model.block.height, hash: model.hash };
  const asked: Asked[] = ids.map((id, i) => ({
    id,
    model: { name: model.name, block },
    promptTokens: prompt.length,
    params: { ...params, seed: choiceSeed(params.seed, i) },
    deadline,
  }));
  const rows = ctx.db.request.createMany({
    data: asked.map(({ id, params }) => ({
      id,
      model: Buffer.from(fromHex(model.hash)),
      prompt,
      continues,
      params,
      stop,
      deadline: new Date(deadline),
    })),
  });
  await (writes.length > 0 ? ctx.db.$transaction([rows, ...writes]) : rows);
  ctx.admission.taken();
  await Promise.all(ids.map((id) => announce(id, ctx)));
  return asked;
}

/** The row is the truth: the coordinator finds it by itself when the announcement is lost. */
async function announce(id: string, ctx: Context): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('not announced in time')), ANNOUNCE_TIMEOUT_MS);
  });
  try {
    await Promise.race([ctx.intake.add(id), late]);
  } catch (err) {
    ctx.logger.warn({ err, id }, 'a question could not be announced');
  } finally {
    clearTimeout(timer);
  }
}

/**
 * @throws ApiError 400 when the model's own template refuses these messages, for unknown ids, and for what
 * cannot fit: BPE blocks this thread, for 3 s where a text has 1 MiB
 */
function promptIds({ prompt, promptField }: Question, model: ServedModel): number[] {
  if ('ids' in prompt) {
    checkIds(prompt.ids, promptField, model);
    return prompt.ids;
  }
  try {
    const text = 'text' in prompt ? prompt.text : rendered(prompt, model);
    const fewest = model.tokenizer.atLeast(text);
    if (fewest >= model.context) throw contextExceeded(model, `at least ${fewest}`, promptField);
    return model.tokenizer.encode(text);
  } catch (error) {
    if ('text' in prompt || !isNamed(error, 'ModelError')) throw error;
    throw new ApiError(400, 'messages_refused', error.message, { param: promptField });
  }
}

const rendered = (
  { messages, thinking }: { messages: ChatMessage[]; thinking: boolean },
  { template }: ServedModel,
): string => template.render(messages, { thinking, addGenerationPrompt: true });

/** What was asked under an id, or null. */
export async function findAsked(id: string, ctx: Context): Promise<Asked | null> {
  const row = await ctx.db.request.findUnique({
    where: { id },
    select: { model: true, prompt: true, params: true, deadline: true },
  });
  if (!row) return null;
  const hash = toHex(row.model);
  const listed = (await ctx.models.list()).find((model) => model.hash === hash);
  return {
    id,
    model: {
      name: listed?.name ?? hash,
      block: { chain: 'A', height: listed?.block.height ?? 0, hash },
    },
    promptTokens: row.prompt.length,
    params: SamplingParams.parse(row.params),
    deadline: row.deadline.getTime(),
  };
}

export const isUniqueViolation = (error: unknown): boolean =>
  error instanceof Error && 'code' in error && error.code === 'P2002';

/** Asks the coordinator to end an answer. False when there is no such request. */
export async function cancel(id: string, ctx: Context): Promise<boolean> {
  const { count } = await ctx.db.request.updateMany({
    where: { id, status: { in: ['queued', 'running'] } },
    data: { cancelled: true },
  });
  if (count > 0) {
    await tellCoordinator(ctx.redis, { type: 'cancel', requestId: id });
    return true;
  }
  return (await ctx.db.request.count({ where: { id } })) > 0;
}

/** The same for answers that nobody will read, as far as that can be done now. */
export async function abandon(ids: string[], ctx: Context): Promise<void> {
  try {
    await Promise.all(ids.map((id) => cancel(id, ctx)));
  } catch (err) {
    ctx.logger.warn({ err, ids }, 'answers that nobody reads could not be cancelled');
  }
}
