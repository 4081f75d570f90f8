import { z } from 'zod';

/**
 * Parameters of one generation as every part of the system passes them on. Resolved: nothing is
 * optional, so that a receipt records exactly what was used.
 */
export const SamplingParams = z.object({
  /** Upper bound of generated tokens, 1 or more. */
  maxTokens: z.number().int().min(1),
  /** 0 is greedy. */
  temperature: z.number().min(0).max(2),
  /** 1 is off. */
  topP: z.number().gt(0).max(1),
  /** 0 is off. */
  topK: z.number().int().min(0).max(0x7fffffff),
  /** 0 is off. */
  minP: z.number().min(0).max(1),
  /** Key of the counter-based noise. */
  seed: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
});
export type SamplingParams = z.infer<typeof SamplingParams>;
