/**
 * An engine that is the head of a pipeline: it serves while all stages are connected. When one is lost,
 * what runs fails at once, naming it, and the head connects again until it is told otherwise.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_ERROR_CHARS } from '@blyan/protocol/limits';
import type { NodeJob, NumericsProfile } from '@blyan/protocol/node';
import { EngineError, failureOf } from '../engine/errors.ts';
import { KvMemory } from '../engine/kv-memory.ts';
import type { LoadedHead } from '../engine/load-model.ts';
import { EngineLoop } from '../engine/loop.ts';
import type { Assigned, JobEvent } from '../engine/messages.ts';
import { numericsProfile } from '../engine/numerics.ts';
import type { Serving } from '../engine/serving.ts';
import type { Membership } from './member.ts';
import type { Welcome } from './messages.ts';
import { PipelineSession } from './pipeline-session.ts';
import { RemoteStages } from './remote-stages.ts';
import { membershipOf, openStageNet } from './stage-net.ts';

/** Pause behind an attempt to connect that broke, so that a stage that fails at once is not asked at once. */
const RETRY_MS = 500;

export interface HeadServingDeps {
  head: LoadedHead;
  slots: number;
  kvBytes: number;
  bytesPerPosition: number;
  emit(event: JobEvent): void;
  notice(text: string): void;
  onDecode(ms: number): void;
  /** All stages are there; called again after each `connecting`. */
  ready(numerics: NumericsProfile): void;
  connecting(): void;
}

export class HeadServing implements Serving {
  readonly #deps: HeadServingDeps;
  #stages: RemoteStages | null = null;
  #loop: EngineLoop | null = null;
  /** Ends the present pipeline. */
  #stop = new AbortController();
  #connecting: Promise<void> = Promise.resolve();
  #lostBy: string | undefined;
  #draining = false;

  private constructor(deps: HeadServingDeps) {
    this.#deps = deps;
  }

  /** Resolves before the stages are there: that may take as long as they load. */
  static async start(assigned: Assigned, deps: HeadServingDeps): Promise<HeadServing> {
    const serving = new HeadServing(deps);
    await serving.#open(assigned);
    return serving;
  }

  submit(job: NodeJob): void {
    if (this.#loop) {
      this.#loop.submit(job);
      return;
    }
    const { requestId, attempt } = job;
    const error = new EngineError('PIPELINE_CONNECTING');
    if (this.#lostBy !== undefined) error.culprit = this.#lostBy;
    this.#deps.emit({ type: 'fail', requestId, attempt, ...failureOf(error, MAX_ERROR_CHARS) });
  }

  cancel(requestId: string, attempt: number): void {
    this.#loop?.cancel(requestId, attempt);
  }

  async drain(): Promise<void> {
    this.#draining = true;
    await this.#loop?.drain();
  }

  async assign(assigned: Assigned): Promise<void> {
    await this.#close();
    await this.#open(assigned);
  }

  get load() {
    const loop = this.#loop;
    if (!loop) return { running: 0, waiting: 0 };
    return { running: loop.active - loop.waiting, waiting: loop.waiting };
  }

  get links() {
    return this.#stages?.links ?? [];
  }

  async #open(assigned: Assigned): Promise<void> {
    const { head, notice } = this.#deps;
    const member = membershipOf(assigned);
    const net = await openStageNet(assigned, notice);
    const stop = new AbortController();
    this.#stop = stop;
    const stages = new RemoteStages(
      { ...member, width: head.files.config.hidden },
      {
        net,
        notice,
        lost: (error) => {
          this.#lostBy = error.culprit;
          this.#end(error);
          this.#deps.connecting();
          this.#connecting = this.#connect(member, stages, stop.signal);
        },
      },
    );
    this.#stages = stages;
    this.#deps.connecting();
    this.#connecting = this.#connect(member, stages, stop.signal);
  }

  async #connect(member: Membership, stages: RemoteStages, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const welcomes = await stages.connect(signal);
        if (!signal.aborted) this.#begin(member, stages, welcomes);
        return;
      } catch (error) {
        if (signal.aborted) return;
        this.#deps.notice((error as Error).message);
        await sleep(RETRY_MS, undefined, { signal }).catch(() => undefined);
      }
    }
  }

  #begin({ assignment }: Membership, stages: RemoteStages, welcomes: Welcome[]): void {
    const { head, slots, emit, onDecode, kvBytes, bytesPerPosition } = this.#deps;
    const { front, tail, files } = head;
    const count = welcomes.length + 1;
    const numerics = front.numerics;
    const session = new PipelineSession({ front, stages, tail, numerics, count, onDecode });
    // A sequence is admitted where all stages have room for it.
    const positions = Math.min(...welcomes.map(({ kvPositions }) => kvPositions));
    const bytes = Math.min(kvBytes, positions * bytesPerPosition);
    const memory = new KvMemory({ config: files.config, bytes, bytesPerPosition }, () =>
      session.createCache(),
    );
    this.#lostBy = undefined;
    const options = { model: assignment.model, slots, lanes: count };
    this.#loop = new EngineLoop(options, { session, memory, emit });
    if (this.#draining) void this.#loop.drain();
    const own = numericsProfile(numerics);
    const profiles = [own, ...welcomes.map((welcome) => welcome.numerics)];
    this.#deps.ready(together(profiles, assignment.frames));
  }

  #end(error: EngineError): void {
    const loop = this.#loop;
    this.#loop = null;
    loop?.abandonAll(error);
  }

  async #close(): Promise<void> {
    this.#stop.abort(new EngineError('ASSIGNMENT_CHANGED'));
    this.#end(new EngineError('ASSIGNMENT_CHANGED'));
    await this.#stages?.[Symbol.asyncDispose]();
    await this.#connecting;
    this.#stages = null;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#close();
  }
}

/** The profile of a pipeline: what all stages agree on, and `mixed` where they don't. */
function together(profiles: NumericsProfile[], frames: 'f32' | 'f16'): NumericsProfile {
  const one = (pick: (profile: NumericsProfile) => string) => {
    const values = new Set(profiles.map(pick));
    return values.size === 1 ? [...values][0]! : 'mixed';
  };
  const weights = [...new Set(profiles.flatMap((profile) => profile.weights))].sort();
  return {
    provider: one(({ provider }) => provider),
    runtime: one(({ runtime }) => runtime),
    weights: weights.slice(0, 16),
    matmul: one(({ matmul }) => matmul),
    kv: one(({ kv }) => kv),
    ...(frames === 'f16' ? { frames } : {}),
  };
}
