/** Texts in frames: the handshake, the watch over it, and failures. What a peer writes is bounded. */
import { MAX_ERROR_CHARS } from '@blyan/protocol/limits';
import { NumericsProfile } from '@blyan/protocol/node';
import { z } from 'zod';

/** A stage is ready for the epoch. */
export const Welcome = z.object({
  numerics: NumericsProfile,
  /** Sequences in one decode run. */
  slots: z.number().int().min(1).max(256),
  /** Positions that all its KV caches together have room for. */
  kvPositions: z.number().int().min(0),
});
export type Welcome = z.infer<typeof Welcome>;

/** Numbers of the last runs that a stage has received and has passed on. */
export const Progress = z.object({
  received: z.number().int().min(0),
  sent: z.number().int().min(0),
});
export type Progress = z.infer<typeof Progress>;

export const StageFailure = z.object({
  code: z.string().min(1).max(64),
  message: z.string().max(MAX_ERROR_CHARS),
  /** Number of the stage that is to blame, in the opinion of the one that says so. */
  culprit: z.number().int().min(0).max(255),
});
export type StageFailure = z.infer<typeof StageFailure>;

/** undefined for what does not parse. */
export function readBody<T>(schema: z.ZodType<T>, body: string): T | undefined {
  try {
    return schema.safeParse(JSON.parse(body)).data;
  } catch {
    return undefined;
  }
}
