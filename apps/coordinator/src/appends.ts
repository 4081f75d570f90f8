/**
 * Appends to canonical streams. What Redis refused for a while (out of memory, cannot save) goes out
 * again, in order: an entry behind it that got through would leave a hole for good.
 */
import type { AnswerEvent } from '@blyan/protocol/answer';
import type { AnswerWriter } from '@blyan/queue/answer-stream';
import { isDeposed } from './errors.ts';
import { STORE_RETRY_MS, STORE_TRIES } from './limits.ts';
import type { Logger } from './logger.ts';

export interface AppendsDeps {
  writer: AnswerWriter;
  logger: Logger;
}

interface Entry {
  /** In the order in which they were handed in, over all answers. */
  number: number;
  event: AnswerEvent;
  /** Tokens before it. */
  count: number;
}

interface Backlog {
  entries: Entry[];
  sent: Promise<void>;
}

export class Appends {
  readonly #deps: AppendsDeps;
  /** Of answers of which an append failed: that, and all that came behind it. */
  readonly #backlogs = new Map<string, Backlog>();
  #number = 0;

  constructor(deps: AppendsDeps) {
    this.#deps = deps;
  }

  /** @param count tokens of the answer before this event */
  append(id: string, event: AnswerEvent, count: number): void {
    const entry = { number: this.#number++, event, count };
    const backlog = this.#backlogs.get(id);
    if (backlog) backlog.entries.push(entry);
    else
      this.#deps.writer.append(id, event, count).catch((error: Error) => {
        this.#failed(id, entry, error);
      });
  }

  /** Resolves when nothing of the answer waits to go out again. */
  async settled(id: string): Promise<void> {
    await this.#backlogs.get(id)?.sent;
  }

  #failed(requestId: string, entry: Entry, error: Error): void {
    const fields = { requestId, type: entry.event.type, problem: error.message };
    this.#deps.logger.warn(fields, 'an event was not stored');
    if (isDeposed(error)) return;
    const backlog = this.#backlogs.get(requestId);
    if (backlog) {
      // It was on its way when the one before it failed.
      const behind = backlog.entries.findIndex(({ number }) => number > entry.number);
      backlog.entries.splice(behind === -1 ? backlog.entries.length : behind, 0, entry);
    } else {
      const entries = [entry];
      const sent = this.#resend(requestId, entries).finally(() => {
        this.#backlogs.delete(requestId);
      });
      this.#backlogs.set(requestId, { entries, sent });
    }
  }

  /** Never rejects. After STORE_TRIES it gives up: readers notice the hole, and turn to the row. */
  async #resend(requestId: string, entries: Entry[]): Promise<void> {
    const { writer, logger } = this.#deps;
    for (let tries = 1; entries.length > 0 && tries < STORE_TRIES; tries++) {
      await new Promise((resolve) => setTimeout(resolve, STORE_RETRY_MS));
      try {
        for (let next = entries[0]; next; next = entries[0]) {
          await writer.append(requestId, next.event, next.count);
          entries.splice(entries.indexOf(next), 1);
          tries = 0;
        }
      } catch (error) {
        if (isDeposed(error)) return;
      }
    }
    if (entries.length > 0)
      logger.error({ requestId, events: entries.length }, 'events of an answer are lost');
  }
}
