/** What generating needs of a model: all layers in this process, or a pipeline over several nodes. */
import type { StageSession } from './stage-session.ts';

export type ModelSession = Pick<
  StageSession,
  'config' | 'slots' | 'numerics' | 'createCache' | 'prefill' | 'decode' | 'room' | 'check'
>;
