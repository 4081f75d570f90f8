/** Routes of workers, and of the server itself. */
import { z } from 'zod';
import { RegisterRequest, RegisterResponse } from '../node.ts';
import { operations } from './operation.ts';

export const Health = z.object({ status: z.literal('ok') });

const Check = z.object({
  ok: z.boolean(),
  reason: z.string().nullable().meta({ description: 'Why not.' }),
});
/** Each part that a question needs, checked now. */
export const Readiness = z.object({
  ready: z.boolean(),
  checks: z.object({
    database: Check,
    redis: Check,
    coordinator: Check,
    model: Check,
    worker: Check,
  }),
  model: z.string().nullable(),
  reason: z.string().nullable().meta({ description: 'All that is missing, in words.' }),
});
export type Readiness = z.infer<typeof Readiness>;

export const SERVER_OPERATIONS = operations([
  {
    method: 'post',
    path: '/gpu/register',
    tag: 'Nodes',
    summary: 'Register a worker',
    body: RegisterRequest,
    example: { nodeId: 'worker-2', version: '0.1.0' },
    key: 'node',
    replies: { 200: { description: 'What the worker connects to.', json: RegisterResponse } },
    errors: [400, 401, 413, 500, 503],
  },
  {
    method: 'get',
    path: '/health',
    tag: 'Server',
    summary: 'Whether the process answers; nothing behind it is asked',
    replies: { 200: { description: 'It does.', json: Health } },
    errors: [],
  },
  {
    method: 'get',
    path: '/ready',
    tag: 'Server',
    summary: 'Whether a question could be answered now, and else why not',
    replies: {
      200: { description: 'It could.', json: Readiness },
      503: { description: 'It could not.', json: Readiness },
    },
    errors: [500],
  },
  {
    method: 'get',
    path: '/openapi.json',
    tag: 'Server',
    summary: 'This document',
    replies: { 200: { description: 'OpenAPI 3.1.', json: z.looseObject({ openapi: z.string() }) } },
    errors: [],
  },
]);
