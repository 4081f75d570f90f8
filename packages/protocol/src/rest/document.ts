/** The OpenAPI 3.1 document of a list of operations. */
import { z } from 'zod';
import { ApiErrorBody, ChatRequest, ChatResponse } from '../api.ts';
import { BlockShape } from '../chain-api.ts';
import {
  ChatCompletion,
  ChatCompletionChunk,
  ChatCompletionRequest,
  Completion,
  CompletionRequest,
  ModelObject,
} from '../openai.ts';
import { type Operation, type Reply, TAGS } from './operation.ts';

type Json = Record<string, unknown>;

/** Schemas that readers and generators of clients should see under a name. */
const NAMED = new Map<z.ZodType, string>([
  [ApiErrorBody, 'Error'],
  [ChatRequest, 'ChatRequest'],
  [ChatResponse, 'ChatResponse'],
  [ChatCompletionRequest, 'ChatCompletionRequest'],
  [ChatCompletion, 'ChatCompletion'],
  [ChatCompletionChunk, 'ChatCompletionChunk'],
  [CompletionRequest, 'CompletionRequest'],
  [Completion, 'Completion'],
  [ModelObject, 'Model'],
  [BlockShape, 'Block'],
]);

const MEANINGS: Record<number, string> = {
  400: 'The request is not valid; `param` names the field.',
  401: 'The key is wrong.',
  403: 'Not allowed.',
  404: 'There is no such thing.',
  409: 'The request needs an `id`.',
  413: 'The body is too large.',
  429: 'Over a limit; `Retry-After` says when to come back.',
  500: 'A fault of the server.',
  503: 'Something that the request needs is missing or full; try again.',
  504: 'The answer was not complete by its deadline.',
};
const RETRY_AFTER = { description: 'Seconds to wait.', schema: { type: 'integer' } };
const counts = (what: string) => ({ description: what, schema: { type: 'integer' } });
/** With every answer that counts against limits, and with every refusal by them. */
const LIMIT_HEADERS = {
  'x-ratelimit-limit-requests': counts('Requests a minute.'),
  'x-ratelimit-remaining-requests': counts('Requests that are left.'),
  'x-ratelimit-limit-tokens': counts('Tokens a minute: of prompts, and of the longest answers.'),
  'x-ratelimit-remaining-tokens': counts('Tokens that are left.'),
};

/** @param io `input`: what a client may send; `output`: what it gets */
function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const { $schema: _, ...json } = z.toJSONSchema(schema, {
    io,
    unrepresentable: 'any',
    override({ jsonSchema, zodSchema }) {
      // What an address has and we read otherwise, such as a cursor, is text for whoever writes it.
      if (zodSchema._zod.def.type === 'transform') jsonSchema.type = 'string';
      // What is unknown is ignored on both sides, so that fields can be added.
      if (jsonSchema.additionalProperties === false) delete jsonSchema.additionalProperties;
      if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
      if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
    },
  });
  return json;
}

function reference(schema: z.ZodType, io: 'input' | 'output'): Json {
  const name = NAMED.get(schema);
  return name ? { $ref: `#/components/schemas/${name}` } : schemaOf(schema, io);
}

function parameters({ params, query, headers = {} }: Operation): Json[] {
  const fields = (where: 'path' | 'query', object: z.ZodObject | undefined) =>
    Object.entries(object?.shape ?? {}).map(([name, field]) => {
      const { description, ...schema } = schemaOf(field as z.ZodType, 'output');
      return {
        name,
        in: where,
        required: where === 'path' || !(field as z.ZodType).safeParse(undefined).success,
        ...(description ? { description } : {}),
        // Segments of an address are one text for whoever writes it.
        schema: where === 'path' && schema.type === 'array' ? schema.items : schema,
      };
    });
  const named = Object.entries(headers).map(([name, description]) => ({
    name,
    in: 'header',
    required: false,
    description,
    schema: { type: 'string' },
  }));
  return [...fields('path', params), ...fields('query', query), ...named];
}

function replyOf({ description, json, events, bytes }: Reply, limited: boolean): Json {
  const content: Json = {};
  if (json) content['application/json'] = { schema: reference(json, 'output') };
  if (events)
    content['text/event-stream'] = {
      schema: events === 'text' ? { type: 'string' } : reference(events, 'output'),
    };
  if (bytes) content['application/octet-stream'] = { schema: { type: 'string', format: 'binary' } };
  return {
    description,
    ...(limited ? { headers: LIMIT_HEADERS } : {}),
    ...(Object.keys(content).length > 0 ? { content } : {}),
  };
}

function errorOf(status: number): Json {
  const headers = status === 429 || status === 503 ? { 'retry-after': RETRY_AFTER } : {};
  return {
    description: MEANINGS[status] ?? 'The request failed.',
    ...(status === 429 ? { headers: { ...headers, ...LIMIT_HEADERS } } : { headers }),
    content: { 'application/json': { schema: reference(ApiErrorBody, 'output') } },
  };
}

/** Unique, and readable in generated clients: `post_v1_chat_completions`. */
const idOf = ({ method, path }: Operation) =>
  `${method}${path.replace(/[{}]/g, '').replace(/[^a-z0-9]+/gi, '_')}`;

function operationOf(operation: Operation): Json {
  const { tag, summary, description, body, example, key, replies, errors } = operation;
  const limited = errors.includes(429);
  const listed = parameters(operation);
  return {
    operationId: idOf(operation),
    tags: [tag],
    summary,
    ...(description ? { description } : {}),
    ...(listed.length > 0 ? { parameters: listed } : {}),
    ...(body && {
      requestBody: {
        required: true,
        content: {
          'application/json': { schema: reference(body, 'input'), ...(example ? { example } : {}) },
        },
      },
    }),
    ...(key === 'user' ? { security: [{}, { userKey: [] }] } : {}),
    ...(key === 'node' ? { security: [{ nodeKey: [] }] } : {}),
    responses: Object.fromEntries([
      ...Object.entries(replies).map(([status, reply]) => [
        status,
        replyOf(reply, limited && status === '200'),
      ]),
      ...errors.filter((status) => !(status in replies)).map((status) => [status, errorOf(status)]),
    ]),
  };
}

/** @param version of the server that answers */
export function openApiDocument(operations: readonly Operation[], version: string): Json {
  const paths: Record<string, Json> = {};
  for (const operation of operations) {
    const path = paths[operation.path] ?? {};
    paths[operation.path] = path;
    path[operation.method] = operationOf(operation);
  }
  const schemas = [...NAMED].map(([schema, name]) => [
    name,
    schemaOf(schema, name.endsWith('Request') ? 'input' : 'output'),
  ]);
  return {
    openapi: '3.1.0',
    info: {
      title: 'Blyan',
      version,
      description:
        'Answers of a language model whose weights live on a blockchain. A `null` field means absent, unknown fields are ignored.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: '/' }, { url: '/api' }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: Object.fromEntries(schemas),
      securitySchemes: {
        userKey: {
          type: 'http',
          scheme: 'bearer',
          description: 'Optional: a key with limits of its own.',
        },
        nodeKey: { type: 'http', scheme: 'bearer', description: 'Key that workers register with.' },
      },
    },
  };
}
