/** Pieces that the schemas of header, bodies and checkpoints share. */
import { z } from 'zod';
import { ChainError, type ChainErrorCode, type ChainErrorDetails } from './errors.ts';
import { MAX_HEIGHT, MAX_NAME } from './limits.ts';

const bytes = (length: number) =>
  z.custom<Uint8Array>(
    (value) => value instanceof Uint8Array && value.length === length,
    `expected ${length} bytes`,
  );
export const Hash = bytes(32);
export const Signature = bytes(64);
export const ChainId = z.enum(['A', 'B', 'L']);
export const Height = z.number().int().min(0).max(MAX_HEIGHT);
/** Zod's int is a safe integer. */
export const Count = z.number().int().min(0);
/** Printed in pages and logs: no control characters. */
export const Name = z
  .string()
  .min(1)
  .max(MAX_NAME)
  .regex(/^\P{Cc}+$/u, 'expected no control characters');

/** The parsed value, or a ChainError that names the first field that is wrong. */
export function parse<T>(
  schema: z.ZodType<T>,
  value: unknown,
  code: ChainErrorCode,
  details: ChainErrorDetails = {},
): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const issue = result.error.issues[0];
  const field = issue?.path.join('.');
  const reason = `${field ? `${field}: ` : ''}${issue?.message ?? 'not valid'}`;
  throw new ChainError(code, { reason: reason.slice(0, 300), ...details });
}
