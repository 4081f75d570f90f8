import { readFileSync } from 'node:fs';
import type { FrameType } from '@blyan/protocol/assignment';
import type { Env } from './env.ts';

export interface Config {
  databaseUrl: string;
  redisUrl: string;
  nodeRedisUrl: string;
  /** Certificate of who signed that server's, PEM. */
  nodeRedisCa: string | undefined;
  blobDir: string;
  /** Name of the model that workers are to hold; null: the newest that is not retired. */
  model: string | null;
  /** Element type of the hidden states between the stages of a pipeline. */
  frames: FrameType;
  /** Ended requests in no conversation, their text and their streams are deleted after this time. */
  retentionMs: number;
  /** Conversations without a question for this long are deleted. */
  conversationRetentionMs: number;
  logLevel: string;
}

export function toConfig(env: Env): Config {
  return {
    databaseUrl: env.DATABASE_URL,
    redisUrl: env.REDIS_URL,
    nodeRedisUrl: env.NODE_REDIS_URL ?? env.REDIS_URL,
    nodeRedisCa: env.NODE_REDIS_CA ? readFileSync(env.NODE_REDIS_CA, 'utf8') : undefined,
    blobDir: env.BLYAN_BLOB_DIR,
    model: env.BLYAN_MODEL ?? null,
    frames: env.BLYAN_PIPELINE_FRAMES,
    // Hours may be fractions; Redis takes whole milliseconds.
    retentionMs: Math.ceil(env.BLYAN_RETENTION_H * 3600_000),
    conversationRetentionMs: Math.ceil(env.BLYAN_CONVERSATION_RETENTION_D * 86_400_000),
    logLevel: env.BLYAN_LOG_LEVEL,
  };
}
