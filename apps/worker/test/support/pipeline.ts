/** Pipelines in one process: real stages of a real model, frames over a loopback that encodes nothing away. */
import { randomUUID } from 'node:crypto';
import type { VerifiedBlock } from '@blyan/chain/verify';
import type { Assignment, FrameType } from '@blyan/protocol/assignment';
import { kvBytesPerPosition } from '../../src/engine/kv-cache.ts';
import { loadHead, loadStage, pickModel } from '../../src/engine/load-model.ts';
import { numericsProfile } from '../../src/engine/numerics.ts';
import type { StageSession } from '../../src/engine/stage-session.ts';
import type { StageError } from '../../src/pipeline/errors.ts';
import type { Arrival, StageNet, Wire } from '../../src/pipeline/net.ts';
import { PipelineSession } from '../../src/pipeline/pipeline-session.ts';
import { RemoteStages } from '../../src/pipeline/remote-stages.ts';
import { StageServer } from '../../src/pipeline/stage-server.ts';
import type { LoadedModel } from './models.ts';

/** What a test does to a frame on its way: another one, several, or none. */
type Tamper = (bytes: Uint8Array, from: number, to: number) => Uint8Array[];

class Loopback {
  readonly #handlers = new Map<number, (arrival: Arrival) => void>();
  readonly #closers = new Map<number, (reason: string) => void>();
  tamper: Tamper = (bytes) => [bytes];
  /** Data that went over each hop. */
  bytes = 0;
  frames = 0;

  net(index: number): StageNet {
    const deliver = (to: number, bytes: Uint8Array): void => {
      for (const sent of this.tamper(bytes, index, to)) {
        setImmediate(() =>
          this.#handlers.get(to)?.({
            bytes: sent,
            from: index,
            reply: (answer) => this.#reply(to, index, answer),
          }),
        );
      }
    };
    return {
      listen: (handler) => this.#handlers.set(index, handler),
      post: deliver,
      connect: async (to, closed): Promise<Wire> => {
        this.#closers.set(index, closed);
        return {
          transport: 'direct',
          send: (bytes) => {
            this.bytes += bytes.length;
            this.frames++;
            deliver(to, bytes);
          },
          close: () => this.#closers.delete(index),
        };
      },
      [Symbol.asyncDispose]: async () => void this.#handlers.delete(index),
    };
  }

  #reply(from: number, to: number, bytes: Uint8Array): void {
    for (const sent of this.tamper(bytes, from, to)) {
      setImmediate(() => this.#handlers.get(to)?.({ bytes: sent, from, reply: () => undefined }));
    }
  }

  /** The hop behind this stage breaks. */
  cut(index: number): void {
    this.#closers.get(index)?.('cut by the test');
  }

  /** The stage hears nothing any more, as a process that was killed. */
  silence(index: number): void {
    this.#handlers.delete(index);
  }
}

export interface PipelineOptions {
  slots?: number;
  kv?: 'f32' | 'f16';
  frames?: FrameType;
  kvBytes?: number;
  silentMs?: number;
  idleMs?: number;
}

export interface TestPipeline extends AsyncDisposable {
  assignment: Assignment;
  session: PipelineSession;
  stages: RemoteStages;
  servers: StageServer[];
  loopback: Loopback;
  lost: StageError[];
  notices: string[];
}

/** Layers in as many even parts as there are stages. */
export function cut(layers: number, count: number): [number, number][] {
  return Array.from({ length: count }, (_, i) => [
    Math.floor((i * layers) / count),
    Math.floor(((i + 1) * layers) / count) - 1,
  ]);
}

function assignmentOf(
  model: VerifiedBlock<'model'> | null,
  ranges: [number, number][],
  frames: FrameType = 'f32',
): Assignment {
  return {
    id: randomUUID(),
    model: model ? Buffer.from(model.hash).toString('hex') : 'ab'.repeat(32),
    stages: ranges.map((layers, i) => ({
      nodeId: `node-${i}`,
      publicKey: String(i % 10).repeat(64),
      layers,
      addresses: [],
    })),
    frames,
  };
}

export async function startPipeline(
  { network, files }: Pick<LoadedModel, 'network' | 'files'>,
  ranges: [number, number][],
  options: PipelineOptions = {},
): Promise<TestPipeline> {
  const { slots = 1, kv = 'f32', frames = 'f32', kvBytes = 2 ** 30 } = options;
  const { verifier, store } = network;
  const model = pickModel(verifier);
  const assignment = assignmentOf(model, ranges, frames);
  const from = { verifier, model };
  const deps = { store, sources: [] };
  const build = { threads: 1, slots, kv };
  const loopback = new Loopback();
  const lost: StageError[] = [];
  const notices: string[] = [];
  const notice = (text: string) => void notices.push(text);
  const sessions: StageSession[] = [];
  const servers: StageServer[] = [];
  for (let index = 1; index < ranges.length; index++) {
    const { session } = await loadStage(from, deps, {
      ...build,
      spec: ({ config }) => ({ config, layers: ranges[index]!, embed: false, head: false }),
    });
    sessions.push(session);
    const layers = ranges[index]![1] - ranges[index]![0] + 1;
    servers.push(
      new StageServer(
        {
          assignment,
          index,
          numerics: numericsProfile(session.numerics),
          kvBytes,
          bytesPerPosition: kvBytesPerPosition(files.config, layers, kv),
          ...(options.idleMs === undefined ? {} : { idleMs: options.idleMs }),
        },
        { session, net: loopback.net(index), notice },
      ),
    );
  }
  const { front, tail } = await loadHead(from, deps, { ...build, layers: ranges[0]! });
  const { hidden: width } = files.config;
  const stages = new RemoteStages(
    {
      assignment,
      index: 0,
      width,
      ...(options.silentMs === undefined ? {} : { silentMs: options.silentMs }),
    },
    { net: loopback.net(0), notice, lost: (error) => void lost.push(error) },
  );
  await stages.connect(AbortSignal.timeout(10_000));
  const session = new PipelineSession({
    front,
    stages,
    tail,
    numerics: front.numerics,
    count: ranges.length,
  });
  return {
    assignment,
    session,
    stages,
    servers,
    loopback,
    lost,
    notices,
    async [Symbol.asyncDispose]() {
      await stages[Symbol.asyncDispose]();
      for (const server of servers) await server[Symbol.asyncDispose]();
      for (const each of [front, tail, ...sessions]) await each[Symbol.asyncDispose]();
    },
  };
}
