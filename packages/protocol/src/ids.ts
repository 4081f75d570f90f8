import { z } from 'zod';

/** Lowercase hex of a SHA-256. */
export const Hash = z.string().regex(/^[0-9a-f]{64}$/, 'expected 64 lowercase hex characters');
export const ChainId = z.enum(['A', 'B', 'L']);
/** Request ids are unguessable: knowing one is the right to read that answer. */
export const RequestId = z.string().regex(/^[A-Za-z0-9_-]{20,64}$/, 'expected a request id');
export const NodeId = z
  .string()
  .regex(/^[a-z0-9][a-z0-9-]{2,62}$/, 'expected 3 to 63 of a-z, 0-9 and -');
export const TokenId = z.number().int().min(0).max(0x7fffffff);

export type ChainId = z.infer<typeof ChainId>;
