/** What the chat page and its server tell each other. Browser-safe. */
import { samplingFields, Text } from '@blyan/protocol/api';
import { RequestId } from '@blyan/protocol/ids';
import { MAX_MESSAGES } from '@blyan/protocol/limits';
import { z } from 'zod';
import { MAX_QUESTION } from './conversation-limits.ts';

const MAX_SYSTEM = 20_000;
/** Of one conversation: all of them are read to show it. */
export const MAX_NODES = MAX_MESSAGES;
/** Of one browser: searching looks at each. */
export const MAX_CONVERSATIONS = 5000;

/** Unguessable, chosen by the browser, so that asking again after a broken line is harmless. */
export const Id = RequestId;
/** Postgres's text has no NUL, and a question may be pasted from anywhere. */
const Stored = Text.transform((text) => text.replaceAll('\0', '\ufffd'));

/** What a conversation is asked with. Null: as the model recommends. */
export const ConversationSettings = z.object({
  system: Stored.pipe(z.string().max(MAX_SYSTEM)).nullish(),
  temperature: samplingFields.temperature,
  top_p: samplingFields.top_p,
  max_tokens: samplingFields.max_tokens,
  seed: samplingFields.seed,
  thinking: samplingFields.thinking,
  /** Keeps the probabilities of tokens, for the token view. */
  probabilities: z.boolean().nullish(),
});
export type ConversationSettings = z.infer<typeof ConversationSettings>;

/** Asks a question, asks one again (no `question`), or goes on with an answer (`parent` is one). */
export const AskInput = z.object({
  conversation: Id,
  /** Node under which it goes; null at the beginning. */
  parent: Id.nullable(),
  question: z
    .object({ id: Id, text: Stored.pipe(z.string().trim().min(1).max(MAX_QUESTION)) })
    .nullable(),
  /** Id of the answer, and of its request. */
  answer: Id,
  settings: ConversationSettings,
});
export type AskInput = z.infer<typeof AskInput>;

/** First line of a question, cut at a word. */
export function titleOf(question: string): string {
  const line = question.trim().split(/\s*\n/)[0] ?? '';
  const chars = [...line];
  if (chars.length <= 60) return line;
  const cut = chars.slice(0, 60).join('');
  return `${cut.replace(/\s+\S*$/, '') || cut}…`;
}
