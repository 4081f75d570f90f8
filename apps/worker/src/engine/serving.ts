/** What an engine does once its layers are loaded: serve a whole model, be the head of a pipeline, or a stage. */
import type { NodeJob, NodeLink } from '@blyan/protocol/node';
import type { Assigned } from './messages.ts';

export interface Serving extends AsyncDisposable {
  /** Never throws: what cannot be served ends in a `fail` event of its own. */
  submit(job: NodeJob): void;
  cancel(requestId: string, attempt: number): void;
  /** Takes no more jobs; resolves when those that run have ended. */
  drain(): Promise<void>;
  /** The same layers in another pipeline. */
  assign(assigned: Assigned): Promise<void>;
  readonly load: { running: number; waiting: number };
  readonly links: NodeLink[];
}
