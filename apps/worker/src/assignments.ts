/** What the coordinator has assigned to this node: one key, read at start, at a hint, and now and then. */
import type { Assignment } from '@blyan/protocol/assignment';
import { readAssignment } from '@blyan/queue/assignments';
import type { Redis } from '@blyan/queue/connection';
import type { Logger } from './logger.ts';

/** A hint may get lost. */
const POLL_MS = 3000;

export interface AssignmentWatchDeps {
  redis: Redis;
  nodeId: string;
  logger: Logger;
  /** Null: this node is to hold nothing. Called at the first read and when it has changed. */
  changed(assignment: Assignment | null): void;
}

export class AssignmentWatch {
  readonly #deps: AssignmentWatchDeps;
  readonly #timer: NodeJS.Timeout;
  /** Of the assignment that was read last; null for none, undefined before. */
  #id: string | null | undefined;
  /** Said once. */
  #problem = '';
  #reading: Promise<void> | null = null;
  #again = false;
  #closed = false;

  constructor(deps: AssignmentWatchDeps) {
    this.#deps = deps;
    this.#timer = setInterval(() => this.read(), POLL_MS);
    this.read();
  }

  /** Reads the key; one that cannot be read changes nothing. */
  read(): void {
    if (this.#reading) {
      this.#again = true;
      return;
    }
    this.#reading = this.#read().finally(() => {
      this.#reading = null;
      if (!this.#again) return;
      this.#again = false;
      this.read();
    });
  }

  async #read(): Promise<void> {
    const { redis, nodeId, logger, changed } = this.#deps;
    try {
      // A read that waits for Redis to come back is the one that counts then.
      const assignment = await readAssignment(redis, nodeId);
      const id = assignment?.id ?? null;
      this.#problem = '';
      // What follows an assignment has another id.
      if (id === this.#id || this.#closed) return;
      this.#id = id;
      changed(assignment);
    } catch (error) {
      const { message: problem } = error as Error;
      if (problem !== this.#problem && !this.#closed)
        logger.error({ nodeId, problem }, 'no assignment');
      this.#problem = problem;
    }
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }
}

/** Whether the layers that one assignment has loaded serve another one as well. */
export function sameLayers(a: Assignment, b: Assignment, nodeId: string): boolean {
  const part = ({ model, stages, slots }: Assignment) => {
    const index = stages.findIndex((stage) => stage.nodeId === nodeId);
    const role = stages.length === 1 ? 'whole' : index === 0 ? 'head' : 'stage';
    return JSON.stringify([model, role, stages[index]?.layers, slots ?? null]);
  };
  return part(a) === part(b);
}
