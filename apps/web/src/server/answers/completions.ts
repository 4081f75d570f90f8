/** Answers in the shape of OpenAI's older completions: texts that go on, without a chat. */
import type { Tokenizer } from '@blyan/model/tokenizer';
import { type Completion, type CompletionRequest, promptsOf } from '@blyan/protocol/openai';
import type { Context } from '../context.ts';
import { encodeSse } from '../http/sse.ts';
import { type Asked, askChoices, type Question } from './ask.ts';
import { type ChoiceWriter, finishReason, streamChoices, sumUsage } from './choices.ts';
import { collectChoices } from './collect.ts';
import { CompletionTokens, type ShownToken } from './logprobs.ts';
import { sharedParams } from './params.ts';
import { apiUsage } from './provenance.ts';

function questionsOf(body: CompletionRequest): [Question, ...Question[]] {
  const prompts = promptsOf(body.prompt);
  const questions = prompts.map((prompt, i) => ({
    id: null,
    model: body.model ?? null,
    prompt: typeof prompt === 'string' ? { text: prompt } : { ids: prompt },
    promptField: prompts.length > 1 ? `prompt.${i}` : 'prompt',
    params: { ...sharedParams(body), maxTokens: body.max_tokens, logprobs: body.logprobs },
    stop: [body.stop ?? []].flat(),
  }));
  // No list of prompts is empty.
  return questions as [Question, ...Question[]];
}

type Head = Pick<Completion, 'id' | 'object' | 'created' | 'model'>;
const headOf = ({ id, model }: Asked): Head => ({
  id: `cmpl-${id}`,
  object: 'text_completion',
  created: Math.floor(Date.now() / 1000),
  model: model.name,
});

export async function continueWhole(
  body: CompletionRequest,
  ctx: Context,
  client: AbortSignal,
): Promise<Completion> {
  const each = body.n ?? 1;
  const { asked, tokenizer } = await askChoices(questionsOf(body), each, ctx);
  const head = headOf(asked[0]!);
  const answers = await collectChoices(asked, ctx, client);
  return {
    ...head,
    choices: answers.map(({ text, thinking, tokens, finish }, index) => ({
      index,
      text,
      ...(thinking ? { reasoning_content: thinking } : {}),
      logprobs: tokens && new CompletionTokens(tokenizer).logprobs(tokens),
      finish_reason: finishReason(finish.reason),
    })),
    usage: apiUsage(
      sumUsage(
        answers.map(({ finish }) => finish.usage),
        each,
      ),
    ),
  };
}

export async function continueStream(
  body: CompletionRequest,
  ctx: Context,
  client: AbortSignal,
): Promise<Response> {
  const each = body.n ?? 1;
  const { asked, tokenizer } = await askChoices(questionsOf(body), each, ctx);
  const includeUsage = body.stream_options?.include_usage ?? false;
  const write = completionWriter(headOf(asked[0]!), { includeUsage, tokenizer });
  return streamChoices(asked, write, ctx, client, each);
}

export function completionWriter(
  head: Head,
  { includeUsage, tokenizer }: { includeUsage: boolean; tokenizer: Tokenizer },
): ChoiceWriter {
  type Choice = Completion['choices'][number];
  const chunk = (rest: Pick<Completion, 'choices' | 'usage'>) =>
    encodeSse({
      data: JSON.stringify({ ...head, ...(includeUsage ? { usage: null } : {}), ...rest }),
    });
  const choice = (index: number, more: Partial<Choice>) =>
    chunk({ choices: [{ index, text: '', logprobs: null, finish_reason: null, ...more }] });
  const tokens = new Map<number, CompletionTokens>();
  const logprobsOf = (index: number, shown: ShownToken[]) => {
    const counter = tokens.get(index) ?? new CompletionTokens(tokenizer);
    tokens.set(index, counter);
    return counter.logprobs(shown);
  };
  return {
    start: () => '',
    part: (index, { text, thinking, shown }) =>
      choice(index, {
        text,
        ...(thinking ? { reasoning_content: thinking } : {}),
        logprobs: shown.length > 0 ? logprobsOf(index, shown) : null,
      }),
    finish: (index, reason) => choice(index, { finish_reason: reason }),
    end: (usage) => (includeUsage ? chunk({ choices: [], usage: apiUsage(usage) }) : ''),
  };
}
