/** Takes in a question: checks it whole, writes the row that is the truth, announces its id. */
import { randomBytes } from 'node:crypto';
import { setImmediate } from 'node:timers/promises';
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
  const ready = await prepare([question], 1, ctx);
  try {
    const [asked] = await take([{ id, prompt: ready.prompts[0]!, choice: 0 }], ready.model, ctx);
    return asked!;
  } catch (error) {
    const other = isUniqueViolation(error) ? await findAsked(id, ctx) : null;
    if (other) return other;
    throw error;
  }
}

/**
 * Asks questions of one request, so many answers to each: all or none are taken in.
 * @returns the answers to the first question, to the second, and so on
 * @throws ApiError as `ask` does
 */
export async function askChoices(
  questions: [Question, ...Question[]],
  each: number,
  ctx: Context,
): Promise<{ asked: Asked[]; tokenizer: Tokenizer }> {
  const { model, prompts } = await prepare(questions, each, ctx);
  const choices = prompts.flatMap((prompt) =>
    Array.from({ length: each }, (_, choice) => ({ id: newId(), prompt, choice })),
  );
  return { asked: await take(choices, model, ctx), tokenizer: model.tokenizer };
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
  const { model, prompts } = await prepare([question], 1, ctx);
  await take([{ id: question.id, prompt: prompts[0]!, choice: 0 }], model, ctx, writes);
}

const newId = () => randomBytes(18).toString('base64url');

/** A question that can be answered. */
interface ReadPrompt {
  ids: number[];
  continues: number;
  params: SamplingParams;
  stop: string[];
}

/** @param questions of one request, so of one model */
async function prepare(
  questions: [Question, ...Question[]],
  each: number,
  ctx: Context,
): Promise<{ model: ServedModel; prompts: ReadPrompt[] }> {
  if (ctx.stopping.asked.aborted) throw shuttingDown();
  const [cluster] = await Promise.all([
    freshCluster(ctx.redis),
    ctx.admission.check(questions.length * each),
  ]);
  const listed = await ctx.models.resolve(questions[0].model, servedHashes(cluster));
  // Before it is loaded: one that nobody serves would take the place of one that is served.
  const state = availability(cluster, listed.hash);
  if (state.state === 'unavailable') throw unavailableError(state);
  const model = await ctx.models.load(listed);
  const prompts: ReadPrompt[] = [];
  let read = 0;
  let longest = 0;
  try {
    for (const question of questions) {
      // Reading a prompt blocks this thread: others get their turn before the next one.
      if (prompts.length > 0) await setImmediate();
      const ids = promptIds(question, model);
      read += ids.length;
      const params = resolveParams(question.params, model, {
        promptTokens: ids.length,
        promptField: question.promptField,
        defaultMaxTokens: ctx.config.defaultMaxTokens,
      });
      longest += each * params.maxTokens;
      const continues = 'ids' in question.prompt ? (question.prompt.continues ?? 0) : 0;
      prompts.push({ ids, continues, params, stop: question.stop });
    }
  } catch (error) {
    await ctx.admission.waste(read);
    throw error;
  }
  await ctx.admission.spend({ tokens: read + longest, read });
  return { model, prompts };
}

/** One answer to a prompt, of several. */
interface Choice {
  id: string;
  prompt: ReadPrompt;
  /** Its number. */
  choice: number;
}

/** Writes a row for each choice, with other writes where there are some, and announces them. */
async function take(
  choices: Choice[],
  model: ServedModel,
  ctx: Context,
  writes: Prisma.PrismaPromise<unknown>[] = [],
): Promise<Asked[]> {
  const deadline = Date.now() + ctx.config.requestTimeoutMs;
  const block = { chain: 'A' as const, height: model.block.height, hash: model.hash };
  const paramsOf = ({ prompt: { params }, choice }: Choice) => ({
    ...params,
    seed: choiceSeed(params.seed, choice),
  });
  const rows = ctx.db.request.createMany({
    data: choices.map((choice) => ({
      id: choice.id,
      model: Buffer.from(fromHex(model.hash)),
      prompt: choice.prompt.ids,
      continues: choice.prompt.continues,
      params: paramsOf(choice),
      stop: choice.prompt.stop,
      deadline: new Date(deadline),
    })),
  });
  await (writes.length > 0 ? ctx.db.$transaction([rows, ...writes]) : rows);
  ctx.admission.taken();
  await Promise.all(choices.map(({ id }) => announce(id, ctx)));
  return choices.map((choice) => ({
    id: choice.id,
    model: { name: model.name, block },
    promptTokens: choice.prompt.ids.length,
    params: paramsOf(choice),
    deadline,
  }));
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
