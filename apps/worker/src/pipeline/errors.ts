/** A failure of one stage of a pipeline. */
import { EngineError, type EngineErrorCode } from '../engine/errors.ts';

export class StageError extends EngineError {
  readonly stage: number;

  constructor(code: EngineErrorCode, stage: number, message: string) {
    super(code, { stage }, message);
    this.stage = stage;
  }
}
