/** Routes that answer questions. */
import { Cancelled, CancelParams, ChatRequest, ChatResponse, ChatStreamQuery } from '../api.ts';
import {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  Completion,
  CompletionRequest,
  ModelList,
  ModelObject,
  ModelParams,
} from '../openai.ts';
import { operations } from './operation.ts';

/** What every request for an answer may get. */
const REFUSALS = [400, 401, 404, 413, 429, 500, 503, 504] as const;

const EVENTS = `Events, each with an id to resume from and JSON as data: \`start\`, \`phase\` (queued,
waiting for a worker, reading the prompt), \`token\` (text as it becomes certain), and one \`done\` (usage
and provenance) or \`error\`.`;
const RESUMED = {
  'Last-Event-ID': 'Id of the last event that was read; the stream goes on behind it.',
};

export const ANSWER_OPERATIONS = operations([
  {
    method: 'post',
    path: '/v1/chat/completions',
    tag: 'OpenAI',
    summary: 'Answer a conversation',
    description:
      'With `stream` the answer comes as it is written. A client that disconnects ends the work.',
    body: ChatCompletionRequest,
    example: { messages: [{ role: 'user', content: 'Hello' }], max_tokens: 50 },
    key: 'user',
    replies: {
      200: {
        description: 'The answer, or its chunks; the last event is `[DONE]`.',
        json: ChatCompletion,
        events: ChatCompletionChunk,
      },
    },
    errors: REFUSALS,
  },
  {
    method: 'post',
    path: '/v1/completions',
    tag: 'OpenAI',
    summary: 'Go on with a text as it is, without a chat template',
    body: CompletionRequest,
    example: { prompt: 'Blyan is', max_tokens: 16 },
    key: 'user',
    replies: {
      200: {
        description: 'The text that follows, or its chunks; the last event is `[DONE]`.',
        json: Completion,
        events: Completion,
      },
    },
    errors: REFUSALS,
  },
  {
    method: 'get',
    path: '/v1/models',
    tag: 'OpenAI',
    summary: 'List the models of the chain that are not retired',
    key: 'user',
    replies: { 200: { description: 'The models.', json: ModelList } },
    errors: [401, 500, 503],
  },
  {
    method: 'get',
    path: '/v1/models/{id}',
    tag: 'OpenAI',
    summary: 'Find a model by its name, which may hold slashes',
    params: ModelParams,
    key: 'user',
    replies: { 200: { description: 'The model.', json: ModelObject } },
    errors: [401, 404, 500, 503],
  },
  {
    method: 'post',
    path: '/chat',
    tag: 'Chat',
    summary: 'Answer a prompt or a conversation',
    body: ChatRequest,
    example: { prompt: 'Hello', max_tokens: 50 },
    key: 'user',
    replies: {
      200: {
        description: 'The answer with its provenance; with `stream` the events of `/chat/stream`.',
        json: ChatResponse,
        events: 'text',
      },
    },
    errors: REFUSALS,
  },
  {
    method: 'post',
    path: '/chat/stream',
    tag: 'Chat',
    summary: 'Stream an answer',
    description: `${EVENTS} A reader that leaves does not end the answer: cancel it, or come back for the rest.`,
    body: ChatRequest,
    example: { prompt: 'Hello', max_tokens: 50 },
    headers: RESUMED,
    key: 'user',
    replies: { 200: { description: EVENTS, events: 'text' } },
    errors: REFUSALS,
  },
  {
    method: 'get',
    path: '/chat/stream',
    tag: 'Chat',
    summary: 'Stream an answer by GET, for EventSource, or resume one by its id',
    query: ChatStreamQuery,
    headers: RESUMED,
    key: 'user',
    replies: { 200: { description: EVENTS, events: 'text' } },
    errors: [400, 401, 404, 409, 429, 500, 503],
  },
  {
    method: 'post',
    path: '/chat/{id}/cancel',
    tag: 'Chat',
    summary: 'End an answer early; what was written stays',
    params: CancelParams,
    replies: { 200: { description: 'It ends.', json: Cancelled } },
    errors: [400, 404, 500, 503],
  },
]);
