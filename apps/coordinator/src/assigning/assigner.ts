/**
 * Keeps the nodes' assignments true to the plan: makes one when nodes come or go, writes it, and ends
 * a pipeline that lost a member. An assignment is never changed: what follows has another id, so that
 * frames of the one before are void.
 */
import { randomUUID } from 'node:crypto';
import type { Assignment, FrameType } from '@blyan/protocol/assignment';
import { isDeposed } from '../errors.ts';
import { ASSIGN_RETRY_MS, FORMING_STUCK_MS, HEARING_MS, REPLAN_MS } from '../limits.ts';
import type { Logger } from '../logger.ts';
import type { NodeRegistry } from '../nodes.ts';
import { Choice } from '../planning/choice.ts';
import type { Pipeline, PlanModel } from '../planning/fleet.ts';
import { Links } from '../planning/links.ts';
import { replan } from '../planning/plan.ts';
import { canBeMember, noteLinks, planNodes } from './candidates.ts';
import { type AssignedPipeline, headOf, membersOf } from './pipelines.ts';

/** What is to be served. */
export interface WantedModel {
  hash: string;
  plan: PlanModel;
}

export interface AssignerDeps {
  nodes: NodeRegistry;
  /** Element type of the hidden states between stages. */
  frames: FrameType;
  /** Writes a node's assignment, and tells it. */
  write(nodeId: string, assignment: Assignment): Promise<void>;
  /** What a node was last assigned, by whoever led then. */
  read(nodeId: string): Promise<Assignment | null>;
  /** Opens the channels of an assignment to its members, before they are told. */
  grant(nodeId: string, assignmentIds: readonly string[]): Promise<void>;
  /** A pipeline is over: what runs on this head moves on. */
  broken(headId: string, problem: string): void;
  pump(): void;
  logger: Logger;
}

/** Broken pipelines whose ranges are remembered: their members have them loaded. */
const MOST_REMEMBERED = 8;
/**
 * Assignments whose channels stay open to a node: its engine may still be opening those of an earlier one,
 * which nobody listens to any more, and a refusal would end it.
 */
const CHANNELS_KEPT = 8;
/** Nodes that serve blobs, of which a member is told: it asks them in turn. */
const MAX_BLOB_SOURCES = 16;

export class Assigner {
  readonly #deps: AssignerDeps;
  #wanted: WantedModel | null = null;
  #remembered: Pipeline[] = [];
  /** What the last plan was made of: while it is the same, so is the plan. */
  #seen = '';
  #planned = Number.NEGATIVE_INFINITY;
  #choice = new Choice();
  readonly #links = new Links();
  /** Ids of the last assignments of each node, the newest first. */
  readonly #recent = new Map<string, string[]>();
  /** Monotonic ms before which no plan is made. */
  #planFrom = Number.POSITIVE_INFINITY;
  #writing: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(deps: AssignerDeps) {
    this.#deps = deps;
  }

  /** Which model is served from now on; null while there is none. */
  want(model: WantedModel | null): void {
    if (model?.hash === this.#wanted?.hash) return;
    this.#wanted = model;
    this.#remembered = [];
    this.#choice = new Choice();
    this.#seen = '';
  }

  /** Goes on with what an earlier leader has assigned, so that nobody loads anew. */
  async adopt(now = performance.now()): Promise<void> {
    const { nodes, frames, read } = this.#deps;
    const held = new Map<string, Assignment>();
    for (const { id } of nodes.all()) {
      const assignment = await read(id);
      if (assignment) held.set(id, assignment);
    }
    for (const [id, assignment] of held) {
      const ids = assignment.stages.map(({ nodeId }) => nodeId);
      if (ids[0] !== id || ids.some((other) => held.get(other)?.id !== assignment.id)) continue;
      const { stages, model } = assignment;
      if (stages.length === 1 || assignment.frames === frames) nodes.pipelines.add(assignment, now);
      // With other frames, over the same layers, which are loaded.
      else if (model === this.#wanted?.hash) this.#remembered.push(stages);
    }
    const adopted = nodes.pipelines.list().length + this.#remembered.length;
    this.#planFrom = adopted > 0 ? now + HEARING_MS : now;
  }

  /** Looks after the pipelines; to be called often: it plans only when something has changed. */
  tick(now = performance.now()): void {
    const { nodes } = this.#deps;
    // A pipeline that ends here takes what it measured with it.
    noteLinks(this.#links, nodes);
    for (const pipeline of nodes.pipelines.list()) this.#look(pipeline, now);
    if (now < this.#planFrom) return;
    const seen = this.#signature(now);
    if (seen === this.#seen && now - this.#planned < REPLAN_MS) return;
    this.#seen = seen;
    this.#planned = now;
    this.#plan(now);
  }

  /** A head blames a member of its pipeline. Its members; null when the blamed one is none. */
  blame(headId: string, culprit: string, now = performance.now()): string[] | null {
    const { nodes, logger } = this.#deps;
    const pipeline = nodes.pipelines.of(headId);
    if (!pipeline || culprit === headId || !membersOf(pipeline).includes(culprit)) return null;
    logger.warn({ nodeId: headId, culprit }, 'a stage of a pipeline broke down');
    nodes.get(culprit)?.health.failed(now);
    this.#end(pipeline, `worker ${culprit}, a stage of the pipeline of ${headId}, broke down`);
    return membersOf(pipeline);
  }

  /** A node has registered, perhaps as a new user of Redis: what it may reach is opened again. */
  registered(nodeId: string): void {
    const { nodes, grant, logger } = this.#deps;
    const pipeline = nodes.pipelines.of(nodeId);
    if (!pipeline) return;
    this.#writing = this.#writing
      .then(() => grant(nodeId, this.#channels(nodeId, pipeline.assignment.id)))
      .catch((error: Error) => {
        logger.warn({ nodeId, problem: error.message }, 'the channels of a node were not opened');
      });
  }

  /** A node is gone for good. */
  forget(nodeId: string): void {
    this.#recent.delete(nodeId);
  }

  /** What could not be written yet is told by the next leader. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#writing;
  }

  /** Ends a pipeline that cannot go on, and notes when it was ready first. */
  #look(pipeline: AssignedPipeline, now: number): void {
    this.#repeat(pipeline, now);
    if (pipeline.boots) this.#lookReady(pipeline, now);
    else this.#lookForming(pipeline, now);
  }

  #lookReady(pipeline: AssignedPipeline, now: number): void {
    const { nodes } = this.#deps;
    const problem = this.#problem(pipeline, now);
    if (problem) {
      this.#end(pipeline, problem);
      return;
    }
    // Who is not to be given anything new ends with what runs.
    const leaving = membersOf(pipeline).some((id) => {
      const node = nodes.get(id);
      return !node?.isWelcome(now) || node.status?.state === 'draining';
    });
    if (leaving) pipeline.closing = true;
    if (pipeline.closing && this.#isIdle(pipeline)) this.#end(pipeline, 'it was closed');
  }

  #lookForming(pipeline: AssignedPipeline, now: number): void {
    const { nodes, logger, pump } = this.#deps;
    const { id, stages } = pipeline.assignment;
    const members = membersOf(pipeline);
    const failed = members.find((member) => {
      const status = nodes.get(member)?.status;
      return status?.assignment === id && status.state === 'failed';
    });
    // One alone may be put right: it says what it lacks, and tries again by itself.
    if (failed && stages.length > 1) {
      nodes.get(failed)?.health.failed(now);
      this.#end(pipeline, `worker ${failed} cannot hold its stage`, { remember: false });
      return;
    }
    const stuck =
      stages.length > 1 && members.find((member) => this.#isStuck(pipeline, member, now));
    if (stuck) {
      nodes.get(stuck)?.health.stuck(now);
      this.#end(pipeline, `worker ${stuck} is stuck`, { remember: false });
      return;
    }
    const lost = members.find((member) => !nodes.get(member)?.isAlive(now));
    if (lost && now - pipeline.since > HEARING_MS) {
      this.#end(pipeline, `worker ${lost} is silent`);
    } else if (nodes.pipelines.isReady(pipeline, now)) {
      pipeline.boots = new Map(
        members.map((member) => [member, nodes.get(member)?.status?.boot ?? '']),
      );
      logger.info({ assignment: id, stages: stages.length }, 'a pipeline is ready');
      pump();
    }
  }

  /** Whether a member that is not ready has come no further for long. */
  #isStuck({ steps }: AssignedPipeline, member: string, now: number): boolean {
    const { state, progress } = this.#deps.nodes.get(member)?.status ?? {};
    const step = JSON.stringify([state, progress]);
    const last = steps.get(member);
    if (last?.step !== step) steps.set(member, { step, since: now });
    return state !== 'ready' && last?.step === step && now - last.since > FORMING_STUCK_MS;
  }

  /** Tells members again that do not know their assignment: a key or a message may be lost. */
  #repeat(pipeline: AssignedPipeline, now: number): void {
    const { id } = pipeline.assignment;
    const knows = (member: string) => {
      const node = this.#deps.nodes.get(member);
      return !node?.isAlive(now) || node.status?.assignment === id;
    };
    if (now - pipeline.told < ASSIGN_RETRY_MS || membersOf(pipeline).every(knows)) return;
    pipeline.told = now;
    this.#writing = this.#writing.then(() => this.#tell(pipeline));
  }

  /** What is wrong with a pipeline that was ready. */
  #problem({ assignment, boots }: AssignedPipeline, now: number): string | null {
    // One worker alone says itself what becomes of its answers.
    const alone = assignment.stages.length === 1;
    for (const { nodeId } of assignment.stages) {
      const node = this.#deps.nodes.get(nodeId);
      if (!node?.status || !node.isAlive(now)) return `worker ${nodeId} is silent`;
      if (alone) continue;
      const { status } = node;
      if (status.boot !== boots?.get(nodeId)) return `worker ${nodeId} was restarted`;
      if (status.state !== 'ready' && status.state !== 'draining')
        return `worker ${nodeId} lost its stage`;
    }
    return null;
  }

  #isIdle(pipeline: AssignedPipeline): boolean {
    return (this.#deps.nodes.get(headOf(pipeline))?.running.size ?? 0) === 0;
  }

  #end(pipeline: AssignedPipeline, problem: string, { remember = true } = {}): void {
    const { nodes, logger, broken } = this.#deps;
    nodes.pipelines.remove(pipeline);
    const stages = planOf(pipeline);
    const others = this.#remembered.filter((other) => !isSame(other, stages));
    if (remember && pipeline.assignment.model === this.#wanted?.hash) {
      this.#remembered = [stages, ...others].slice(0, MOST_REMEMBERED);
    }
    this.#seen = '';
    logger.warn({ assignment: pipeline.assignment.id, problem }, 'a pipeline is over');
    broken(headOf(pipeline), problem);
  }

  /** Changes whenever another plan may be due. */
  #signature(now: number): string {
    const members = [...this.#deps.nodes.all()]
      .filter((node) => canBeMember(node, now))
      .map(({ id, status }) => `${id} ${status?.boot}`);
    const assigned = this.#deps.nodes.pipelines.list().map(({ assignment }) => assignment.id);
    return [this.#wanted?.hash, ...members, ...assigned].join('\n');
  }

  #plan(now: number): void {
    const { nodes, logger } = this.#deps;
    const wanted = this.#wanted;
    if (!wanted) return;
    const { pipelines } = nodes;
    const candidates = [...nodes.all()].filter((node) => canBeMember(node, now));
    // What serves another model counts as free; it is taken only when nothing runs there.
    const current = pipelines
      .list()
      .filter((p) => p.assignment.model === wanted.hash && !p.closing);
    const before = [...current.map(planOf), ...this.#remembered];
    this.#links.keep((id) => nodes.get(id) !== undefined);
    const fleet = planNodes(candidates, this.#links);
    const next = this.#choice.of(replan(before, fleet, wanted.plan, this.#choice.candidate), now);
    const kept = new Set<AssignedPipeline>();
    const added: Pipeline[] = [];
    for (const pipeline of next) {
      const same = current.find((p) => isSame(planOf(p), pipeline));
      if (same) kept.add(same);
      else added.push(pipeline);
    }
    // What is to make room: at once if it is idle, else it closes as long as others serve.
    for (const pipeline of added) {
      const inTheWay = new Set(
        pipeline.map(({ nodeId }) => pipelines.of(nodeId)).filter((p) => p !== undefined),
      );
      const busy = [...inTheWay].filter((p) => !this.#isIdle(p));
      if (busy.length > 0) {
        const others = [...kept].some((p) => pipelines.isReady(p, now));
        if (others) for (const p of busy) p.closing = true;
        continue;
      }
      for (const p of inTheWay) this.#end(p, 'a better plan takes its place', { remember: false });
      this.#assign(pipeline, wanted.hash);
    }
    if (added.length > 0)
      logger.info({ pipelines: next.map(describe), kept: kept.size }, 'a plan was made');
  }

  #assign(pipeline: Pipeline, model: string): void {
    const { nodes } = this.#deps;
    const now = performance.now();
    const served = [...nodes.all()].flatMap((node) =>
      node.isAlive(now) && node.row?.scopes.includes('blobs') && node.row.mark === null
        ? (node.status?.capacity?.blobUrl ?? [])
        : [],
    );
    const assignment: Assignment = {
      id: randomUUID(),
      model,
      stages: pipeline.map(({ nodeId, layers }) => {
        const { row, status } = nodes.get(nodeId) ?? {};
        if (!row?.publicKey) throw new RangeError(`${nodeId} was planned with, but has no key`);
        const { publicKey } = row;
        return { nodeId, publicKey, layers, addresses: status?.capacity?.addresses ?? [] };
      }),
      frames: this.#deps.frames,
      ...(served.length > 0
        ? { blobSources: [...new Set(served)].slice(0, MAX_BLOB_SOURCES) }
        : {}),
    };
    const assigned = nodes.pipelines.add(assignment, performance.now());
    this.#writing = this.#writing.then(() => this.#tell(assigned));
  }

  #channels(nodeId: string, assignmentId: string): string[] {
    const before = (this.#recent.get(nodeId) ?? []).filter((id) => id !== assignmentId);
    const recent = [assignmentId, ...before].slice(0, CHANNELS_KEPT);
    this.#recent.set(nodeId, recent);
    return recent;
  }

  async #tell(pipeline: AssignedPipeline): Promise<void> {
    const { nodes, write, grant, logger } = this.#deps;
    const { assignment } = pipeline;
    const isCurrent = () => nodes.pipelines.list().includes(pipeline);
    while (isCurrent() && !this.#stopped) {
      try {
        for (const id of membersOf(pipeline)) await grant(id, this.#channels(id, assignment.id));
        for (const id of membersOf(pipeline)) await write(id, assignment);
        return;
      } catch (error) {
        if (isDeposed(error)) return;
        const problem = (error as Error).message;
        logger.error({ assignment: assignment.id, problem }, 'an assignment was not written');
        await new Promise((resolve) => setTimeout(resolve, ASSIGN_RETRY_MS));
      }
    }
  }
}

const planOf = ({ assignment }: AssignedPipeline): Pipeline =>
  assignment.stages.map(({ nodeId, layers }) => ({ nodeId, layers }));

const isSame = (a: Pipeline, b: Pipeline): boolean =>
  a.length === b.length &&
  a.every(({ nodeId, layers }, i) => {
    const other = b[i]!;
    return (
      nodeId === other.nodeId && layers[0] === other.layers[0] && layers[1] === other.layers[1]
    );
  });

const describe = (pipeline: Pipeline): string =>
  pipeline.map(({ nodeId, layers }) => `${nodeId} ${layers.join('-')}`).join(', ');
