/** What this worker does, counted as it is written to the coordinator: for status, metrics, progress. */
import type { NodeEvent, NodeStatus } from '@blyan/protocol/node';

export class Watch {
  status: NodeStatus | null = null;
  /** Since the start. */
  tokens = 0;
  done = 0;
  failed = 0;
  readonly startedAt = Date.now();
  readonly #listeners: ((status: NodeStatus) => void)[] = [];

  onStatus(listener: (status: NodeStatus) => void): void {
    this.#listeners.push(listener);
  }

  readonly see = (event: NodeEvent): void => {
    switch (event.type) {
      case 'status':
        this.status = event;
        for (const listener of this.#listeners) listener(event);
        break;
      case 'tokens':
        this.tokens += event.tokens.length;
        break;
      case 'done':
        this.done += 1;
        break;
      case 'fail':
        this.failed += 1;
    }
  };
}
