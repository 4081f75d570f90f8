/**
 * The one path of a request through the coordinator: taken in (taking.ts), put to a node
 * (dispatch.ts), written by it (hearing.ts), ended (answers.ts), and looked after meanwhile
 * (passing-time.ts). All state is in this one thread; rows in Postgres and entries in Redis are
 * written so that a coordinator that starts anew finds all that it needs.
 */
import { DEFAULT_FRAMES, type FrameType } from '@blyan/protocol/assignment';
import type { ClusterStatus } from '@blyan/protocol/cluster';
import type { NodeMessage } from '@blyan/queue/node-reader';
import { Answers } from './answers.ts';
import { Assigner, type AssignerDeps } from './assigning/assigner.ts';
import { Dispatch } from './dispatch.ts';
import { isForged } from './errors.ts';
import { Hearing } from './hearing.ts';
import { NO_NODE_GRACE_MS } from './limits.ts';
import type { NodeRegistry } from './nodes.ts';
import { PassingTime } from './passing-time.ts';
import type { OpenDeps } from './recovery.ts';
import { Taking } from './taking.ts';
import { Teller, type TellerDeps } from './tell.ts';
import { WrongBlobs, type WrongBlobsDeps } from './wrong-blobs.ts';

export interface CoordinatorDeps extends TellerDeps, OpenDeps {
  nodes: NodeRegistry;
  /** The main node's own weights. */
  blobs: WrongBlobsDeps['blobs'];
  /** How assignments reach nodes. */
  assignments: Pick<AssignerDeps, 'read' | 'write' | 'grant'>;
}

export interface CoordinatorOptions {
  noNodeGraceMs?: number;
  /** Between the stages of a pipeline. */
  frames?: FrameType;
}

export class Coordinator {
  readonly #given: CoordinatorDeps;
  readonly #nodes: NodeRegistry;
  readonly #assigner: Assigner;
  readonly #answers: Answers;
  readonly #taking: Taking;
  readonly #dispatch: Dispatch;
  readonly #hearing: Hearing;
  readonly #wrongBlobs: WrongBlobs;
  readonly #time: PassingTime;
  #stopped = false;

  constructor(
    given: CoordinatorDeps,
    { noNodeGraceMs, frames = DEFAULT_FRAMES }: CoordinatorOptions = {},
  ) {
    const pump = () => this.#dispatch.pump();
    const lied = (nodeId: string, problem: string) => this.#hearing.lied(nodeId, problem);
    const base = { ...given, tell: new Teller(given, lied), pump, lied };
    const answers = new Answers(base);
    this.#assigner = new Assigner({
      ...given.assignments,
      nodes: given.nodes,
      frames,
      logger: given.logger,
      pump,
      broken(headId, problem) {
        for (const answer of answers.on(headId)) answers.failAttempt(answer, problem);
      },
    });
    const wrongBlobs = new WrongBlobs({
      ...given,
      caught: lied,
    });
    const deps = {
      ...base,
      answers,
      wrongBlobs,
      blame: (headId: string, culprit: string) => this.#assigner.blame(headId, culprit),
      distrust: (nodeId: string, mark: string) => this.#distrust(nodeId, mark),
    };
    this.#given = given;
    this.#nodes = given.nodes;
    this.#answers = answers;
    this.#wrongBlobs = wrongBlobs;
    this.#taking = new Taking(deps);
    this.#dispatch = new Dispatch({ ...deps, take: (id) => this.#taking.take(id) });
    this.#hearing = new Hearing(deps);
    this.#time = new PassingTime(deps, { noNodeGraceMs: noNodeGraceMs ?? NO_NODE_GRACE_MS });
  }

  /** Takes a request by its id; unknown, ended and known ones are no news. */
  take(id: string): Promise<void> {
    return this.#taking.take(id);
  }

  /** All requests that have not ended, as Postgres knows them. */
  recover(): Promise<void> {
    return this.#taking.recover();
  }

  /** What nodes wrote. */
  handle(messages: NodeMessage[]): void {
    this.#hearing.handle(messages);
  }

  cancel(id: string): void {
    const answer = this.#answers.get(id);
    if (answer) this.#answers.end(answer, { type: 'finish', reason: 'cancelled' });
  }

  /** What was done with a node's keys in Redis failed. True when that is its own doing: then it is out. */
  accuse(nodeId: string, error: unknown): boolean {
    if (!isForged(error)) return false;
    this.#hearing.lied(nodeId, error.message);
    return true;
  }

  /** A node was silent for so long that nothing is kept of it. */
  forget(nodeId: string): void {
    this.#assigner.forget(nodeId);
  }

  /** A node is out, whatever it still writes: what it had moves on. */
  lose(nodeId: string): void {
    this.#nodes.bar(nodeId);
    for (const answer of this.#answers.on(nodeId)) {
      this.#answers.failAttempt(answer, `worker ${nodeId} was cut off`);
    }
  }

  /** The nodes' Redis was restarted. */
  redisRestarted(): void {
    this.#answers.doubt();
  }

  /** To be called every TICK_MS. */
  tick(): void {
    if (this.#stopped) return;
    this.#assigner.tick();
    this.#time.tick();
  }

  /** A node has registered, for the first time or again. */
  registered(nodeId: string): void {
    this.#assigner.registered(nodeId);
  }

  /** Goes on with the assignments that are there, before the first tick. */
  adopt(): Promise<void> {
    return this.#assigner.adopt();
  }

  /** Finds out which model workers are to hold. */
  async want(): Promise<void> {
    const { models } = this.#given;
    const hash = await models.wanted();
    this.#assigner.want(hash === null ? null : { hash, plan: (await models.get(hash)).plan });
  }

  #distrust(nodeId: string, mark: string): void {
    const { store, logger } = this.#given;
    const written = store.markNode(nodeId, mark);
    this.#nodes.distrust(nodeId, mark, written);
    written.catch((error: Error) => {
      logger.error({ nodeId, problem: error.message }, 'a node was not marked');
    });
  }

  status(): ClusterStatus {
    const running = this.#answers.list().filter(({ state }) => state === 'running').length;
    const nodes = this.#nodes.statuses(performance.now());
    return { at: Date.now(), waiting: this.#answers.waiting.size, running, nodes };
  }

  /** Whether this attempt is the one that runs: what else is in a node's queue is a leftover. */
  wants(requestId: string, attempt: number): boolean {
    const answer = this.#answers.get(requestId);
    return answer !== undefined && answer.state !== 'ended' && answer.attempt === attempt;
  }

  /** Stops where it is: what has not ended is taken up by the next start. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#dispatch.stop();
    await Promise.all([
      this.#wrongBlobs.stop(),
      this.#taking.stop(),
      this.#answers.settled(),
      this.#assigner.stop(),
    ]);
  }
}
