/** How a node joins and stays: challenge, registration, lease. */
import { z } from 'zod';
import { PublicKey } from './assignment.ts';
import { Hash, NodeId } from './ids.ts';
import { code, message, NodeStatus } from './node.ts';

/** What a key allows its nodes: to run layers, to be named to other workers as sources of blobs. */
export const NodeScope = z.enum(['serve', 'blobs']);
export type NodeScope = z.infer<typeof NodeScope>;

/**
 * `POST /gpu/challenge`: 32 random bytes that the node signs, so that a stolen API key cannot take
 * the name of a node that is known.
 */
export const ChallengeRequest = z.object({ nodeId: NodeId, publicKey: PublicKey });
export type ChallengeRequest = z.infer<typeof ChallengeRequest>;
export const ChallengeResponse = z.object({
  /** Opaque to the node; good for CHALLENGE_MS. */
  challenge: z.string().min(32).max(512),
});
export type ChallengeResponse = z.infer<typeof ChallengeResponse>;
export const CHALLENGE_MS = 60_000;

/** What the node signs, UTF-8. */
export const challengeText = (challenge: string, nodeId: string): string =>
  `blyan node registration v1\n${nodeId}\n${challenge}`;

/** `POST /gpu/register`, with the key as `Authorization: Bearer` or `X-API-Key`. */
export const RegisterRequest = z.object({
  nodeId: NodeId,
  version: code(32),
  host: message(255).optional(),
  publicKey: PublicKey,
  challenge: z.string().min(32).max(512),
  /** Ed25519 over challengeText, hex. */
  signature: z.string().regex(/^[0-9a-f]{128}$/, 'expected 128 lowercase hex characters'),
});
export type RegisterRequest = z.infer<typeof RegisterRequest>;

export const NodeLease = z.object({
  /** Opaque; sent with each heartbeat. */
  token: z.string().min(32).max(512),
  /** Milliseconds until it lapses, and with it the Redis user. */
  ttlMs: z.number().int().min(1000),
  /** Milliseconds after which to renew it. */
  renewMs: z.number().int().min(100),
});
export type NodeLease = z.infer<typeof NodeLease>;

/** A lease lapses after this time: longer than the web app is away when it restarts. */
export const LEASE_MS = 60_000;
export const LEASE_RENEW_MS = 15_000;

export const RegisterResponse = z.object({
  nodeId: NodeId,
  /** Hash of chain A's genesis as the main node sees it; the node compares it with its own pin. */
  genesis: Hash,
  lease: NodeLease,
  /** Connection of this node's queue and streams, with a user and password of its own. */
  redisUrl: z.url({ protocol: /^rediss?$/ }),
  /** Certificate of who signed that server's, PEM, where it is not a public one. */
  redisCa: z.string().max(65_536).optional(),
  heartbeatMs: z.number().int().min(100),
});
export type RegisterResponse = z.infer<typeof RegisterResponse>;

/** `POST /gpu/heartbeat`, with the lease's token as `Authorization: Bearer`. */
export const HeartbeatRequest = z.object({
  nodeId: NodeId,
  /** Unix ms by the node's clock, so that a wrong clock is seen and said. */
  now: z.number().int(),
});
export type HeartbeatRequest = z.infer<typeof HeartbeatRequest>;
export const HeartbeatResponse = z.object({
  lease: NodeLease,
  /** Unix ms of the main node. */
  now: z.number().int(),
  /** `drain`: finish what runs and stop. */
  wish: z.enum(['serve', 'drain']),
});
export type HeartbeatResponse = z.infer<typeof HeartbeatResponse>;

/** Codes of refusals that another try cannot change; an admin or the operator can. */
export const FINAL_REFUSALS = [
  'missing_api_key',
  'invalid_api_key',
  'key_expired',
  'key_disabled',
  'key_revoked',
  'key_address_not_allowed',
  'node_name_taken',
  'node_evicted',
  'node_draining',
  'node_marked',
] as const;

/** `GET /gpu/status`, with the key: it, and the nodes that registered with it. */
export const GpuStatus = z.object({
  key: z.object({
    name: z.string(),
    prefix: z.string(),
    scopes: z.array(NodeScope),
    maxNodes: z.number().int(),
    /** Unix ms. */
    expiresAt: z.number().int().nullable(),
  }),
  nodes: z.array(
    z.object({
      id: NodeId,
      version: z.string(),
      /** Unix ms. */
      registeredAt: z.number().int(),
      /** Unix ms until which its lease runs, null when it has none. */
      leaseUntil: z.number().int().nullable(),
      draining: z.boolean(),
      evicted: z.boolean(),
      mark: z.string().nullable(),
      alive: z.boolean(),
      /** Answers that run on it. */
      running: z.number().int(),
      /** As it said itself last; null when the coordinator has not heard of it. */
      status: NodeStatus.nullable(),
    }),
  ),
});
export type GpuStatus = z.infer<typeof GpuStatus>;
