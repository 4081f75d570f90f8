/** Routes of workers, and of the server itself. */
import { z } from 'zod';
import {
  ChallengeRequest,
  ChallengeResponse,
  GpuStatus,
  HeartbeatRequest,
  HeartbeatResponse,
  RegisterRequest,
  RegisterResponse,
} from '../register.ts';
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
    path: '/gpu/challenge',
    tag: 'Nodes',
    summary: 'What a worker signs with its own key, to register',
    body: ChallengeRequest,
    example: { nodeId: 'worker-2', publicKey: '00'.repeat(32) },
    replies: { 200: { description: 'Good for a minute.', json: ChallengeResponse } },
    errors: [400, 413, 429, 500, 503],
  },
  {
    method: 'post',
    path: '/gpu/register',
    tag: 'Nodes',
    summary: 'Register a worker',
    body: RegisterRequest,
    example: {
      nodeId: 'worker-2',
      version: '0.1.0',
      publicKey: '00'.repeat(32),
      challenge: 'as POST /gpu/challenge gave it, signed',
      signature: '00'.repeat(64),
    },
    key: 'node',
    replies: {
      200: { description: 'A lease, and what the worker connects to.', json: RegisterResponse },
    },
    errors: [400, 401, 403, 409, 413, 429, 500, 503],
  },
  {
    method: 'post',
    path: '/gpu/heartbeat',
    tag: 'Nodes',
    summary: 'Renew the lease, with its token as the key',
    body: HeartbeatRequest,
    example: { nodeId: 'worker-2', now: 1_764_000_000_000 },
    key: 'node',
    replies: { 200: { description: 'The lease, renewed.', json: HeartbeatResponse } },
    errors: [400, 401, 403, 413, 500, 503],
  },
  {
    method: 'get',
    path: '/gpu/status',
    tag: 'Nodes',
    summary: 'The nodes of a key, as they are now',
    key: 'node',
    replies: { 200: { description: 'The nodes.', json: GpuStatus } },
    errors: [401, 403, 500, 503],
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
