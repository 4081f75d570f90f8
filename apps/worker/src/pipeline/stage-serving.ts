/** An engine that is a stage of a pipeline, but not its head: it takes no jobs. */
import { MAX_ERROR_CHARS } from '@blyan/protocol/limits';
import type { NumericsProfile } from '@blyan/protocol/node';
import { EngineError, failureOf } from '../engine/errors.ts';
import type { Assigned, JobEvent } from '../engine/messages.ts';
import type { Serving } from '../engine/serving.ts';
import type { StageSession } from '../engine/stage-session.ts';
import { membershipOf, openStageNet } from './stage-net.ts';
import { StageServer } from './stage-server.ts';

export interface StageServingDeps {
  session: StageSession;
  numerics: NumericsProfile;
  kvBytes: number;
  bytesPerPosition: number;
  emit(event: JobEvent): void;
  notice(text: string): void;
  onDecode(ms: number): void;
}

/** Resolves when it hears what the head says. */
export async function serveStage(assigned: Assigned, deps: StageServingDeps): Promise<Serving> {
  const { session, numerics, kvBytes, bytesPerPosition, notice, onDecode } = deps;
  const open = async (next: Assigned) =>
    new StageServer(
      { ...membershipOf(next), numerics, kvBytes, bytesPerPosition },
      { session, net: await openStageNet(next, notice), notice, onDecode },
    );
  let server = await open(assigned);
  return {
    submit({ requestId, attempt }) {
      const failure = failureOf(new EngineError('NOT_THE_HEAD'), MAX_ERROR_CHARS);
      deps.emit({ type: 'fail', requestId, attempt, ...failure });
    },
    cancel: () => undefined,
    drain: () => Promise.resolve(),
    async assign(next) {
      await server[Symbol.asyncDispose]();
      server = await open(next);
    },
    get load() {
      return { running: server.load.sequences, waiting: 0 };
    },
    get links() {
      return server.links;
    },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
