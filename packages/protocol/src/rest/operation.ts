/**
 * One route of the REST API, as the OpenAPI document has it. The schemas are those that the route
 * validates with (a test of the web app compares), so that the document cannot say anything else.
 */
import type { z } from 'zod';

/** In the order of the document, with what a reader should know of each. */
export const TAGS = {
  OpenAI: 'What clients of the OpenAI API speak. Base URL: this server with `/v1`.',
  Chat: "The same answers, with progress, provenance and streams that can be resumed: this product's own.",
  Chain: 'Blocks and checkpoints. Whoever reads them can verify them from the genesis hash on.',
  Blobs: 'The weights, by Merkle root.',
  Proofs: 'Hashes that lead from a block or chunk to a root that is signed or on chain.',
  Models: 'Models and tensors, as the blocks describe them.',
  Search: 'One box for everything.',
  Nodes: 'For workers on other machines.',
  Server: 'State of this server, and this document.',
} as const;
export type Tag = keyof typeof TAGS;

export interface Reply {
  description: string;
  json?: z.ZodType;
  /** Server-sent events; the schema is that of each `data:` line that is JSON. */
  events?: z.ZodType | 'text';
  /** Raw bytes. */
  bytes?: true;
}

/** Whose key a route takes. */
export type KeyOf = 'user' | 'node';

export interface Operation {
  method: 'get' | 'head' | 'post' | 'put' | 'patch' | 'delete';
  /** As OpenAPI writes it, without `/api`: `/chat/{id}/cancel`. */
  path: string;
  tag: Tag;
  summary: string;
  description?: string;
  params?: z.ZodObject;
  query?: z.ZodObject;
  body?: z.ZodType;
  /** A body that works everywhere, to try the route with. */
  example?: object;
  /** Request headers that the route reads, with what each is for. */
  headers?: Record<string, string>;
  /** Absent: no key is looked at. A user's is never needed. */
  key?: KeyOf;
  replies: Record<number, Reply>;
  /** Statuses with an `Error` as body. */
  errors: readonly number[];
}

/** Keeps the literal types of what it is given. */
export const operations = <const T extends readonly Operation[]>(list: T): T => list;
