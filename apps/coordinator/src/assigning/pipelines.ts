/** The pipelines that are assigned now, and which of them can take answers. */
import type { Assignment } from '@blyan/protocol/assignment';
import type { NodeStatus } from '@blyan/protocol/node';

/** What is asked of a member. */
export interface Member {
  readonly status: NodeStatus | null;
  isAlive(now: number): boolean;
}

export interface AssignedPipeline {
  readonly assignment: Assignment;
  /** Boot ids of the members when all were ready first; null while it forms. */
  boots: ReadonlyMap<string, string> | null;
  /** It gets no further answers, and ends when it has none. */
  closing: boolean;
  /** Monotonic ms of its assignment, and of the last time that its members were told. */
  readonly since: number;
  told: number;
  /** How far each member said to be while it forms, and since when, monotonic ms. */
  readonly steps: Map<string, { step: string; since: number }>;
}

export class Pipelines {
  readonly #members: { get(id: string): Member | undefined };
  readonly #all = new Map<string, AssignedPipeline>();
  /** Of each member. */
  readonly #of = new Map<string, AssignedPipeline>();

  constructor(members: { get(id: string): Member | undefined }) {
    this.#members = members;
  }

  list(): AssignedPipeline[] {
    return [...this.#all.values()];
  }
  /** The one that a node is a member of. */
  of(nodeId: string): AssignedPipeline | undefined {
    return this.#of.get(nodeId);
  }

  add(assignment: Assignment, now: number): AssignedPipeline {
    const pipeline: AssignedPipeline = {
      assignment,
      boots: null,
      closing: false,
      since: now,
      told: now,
      steps: new Map(),
    };
    this.#all.set(assignment.id, pipeline);
    for (const { nodeId } of assignment.stages) this.#of.set(nodeId, pipeline);
    return pipeline;
  }

  remove(pipeline: AssignedPipeline): void {
    this.#all.delete(pipeline.assignment.id);
    for (const { nodeId } of pipeline.assignment.stages) {
      if (this.#of.get(nodeId) === pipeline) this.#of.delete(nodeId);
    }
  }

  /** Whether a node is the head of a pipeline of which every member says that it is ready for it. */
  serves(nodeId: string, now: number): boolean {
    const pipeline = this.#of.get(nodeId);
    if (!pipeline || pipeline.closing || headOf(pipeline) !== nodeId) return false;
    return this.isReady(pipeline, now);
  }

  isReady({ assignment }: AssignedPipeline, now: number): boolean {
    return assignment.stages.every(({ nodeId }) => {
      const member = this.#members.get(nodeId);
      const status = member?.status;
      return (
        member?.isAlive(now) === true &&
        status?.state === 'ready' &&
        status.assignment === assignment.id
      );
    });
  }
}

export const headOf = ({ assignment }: AssignedPipeline): string => assignment.stages[0]!.nodeId;
export const membersOf = ({ assignment }: AssignedPipeline): string[] =>
  assignment.stages.map(({ nodeId }) => nodeId);
