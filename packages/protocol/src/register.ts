/** How a node joins and stays: challenge, registration, lease. */
import { z } from 'zod';
import { PublicKey } from './assignment.ts';
import { Hash, NodeId } from './ids.ts';
import { code, message } from './node.ts';

/** What a key allows: to run layers, or only to serve blobs. */
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

export const RegisterResponse = z.object({
  nodeId: NodeId,
  /** Hash of chain A's genesis as the main node sees it; the node compares it with its own pin. */
  genesis: Hash,
  lease: NodeLease,
  /** Connection of this node's queue and streams, with a user and password of its own. */
  redisUrl: z.url(),
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
