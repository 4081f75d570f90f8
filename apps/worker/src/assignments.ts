/** What the coordinator has assigned to this node: one key, read at start, at a hint, and now and then. */
import { Assignment } from '@blyan/protocol/assignment';
import type { Redis } from '@blyan/queue/connection';
import { nodeAssignment } from '@blyan/queue/names';
import type { Logger } from './logger.ts';

/** A hint may get lost. */
const POLL_MS = 3000;
/** MAX_STAGES stages of a kilobyte. */
const MAX_CHARS = 512 * 1024;

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
  #text: string | null | undefined;
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
    // A read that waits for Redis to come back is the one that counts then.
    const text = await redis.get(nodeAssignment(nodeId)).catch(() => undefined);
    if (text === undefined || text === this.#text || this.#closed) return;
    this.#text = text;
    const assignment = text === null ? null : parse(text);
    if (assignment === undefined || (assignment && !names(assignment, nodeId))) {
      logger.error({ nodeId }, 'the assignment cannot be read, or is for another node');
      return;
    }
    changed(assignment);
  }

  close(): void {
    this.#closed = true;
    clearInterval(this.#timer);
  }
}

function parse(text: string): Assignment | undefined {
  if (text.length > MAX_CHARS) return undefined;
  try {
    return Assignment.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

const names = ({ stages }: Assignment, nodeId: string) =>
  stages.some((stage) => stage.nodeId === nodeId);

/** Whether the layers that one assignment has loaded serve another one as well. */
export function sameLayers(a: Assignment, b: Assignment, nodeId: string): boolean {
  const part = ({ model, stages, slots }: Assignment) => {
    const index = stages.findIndex((stage) => stage.nodeId === nodeId);
    const role = stages.length === 1 ? 'whole' : index === 0 ? 'head' : 'stage';
    return JSON.stringify([model, role, stages[index]?.layers, slots ?? null]);
  };
  return part(a) === part(b);
}
