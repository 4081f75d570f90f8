/** An engine loop over a loaded model, with its events kept by request. */
import type { NodeJob } from '@blyan/protocol/node';
import { EngineLoop } from '../../src/engine/loop.ts';
import type { JobEvent } from '../../src/engine/messages.ts';
import { generate } from '../../src/engine/runner.ts';
import { GREEDY, kvMemory, type LoadedModel } from './models.ts';

const MODEL = 'ab'.repeat(32);

let serial = 0;
export const jobOf = (overrides: Partial<NodeJob> = {}, maxTokens = 12): NodeJob => ({
  requestId: `request-000000000000-${serial++}`,
  attempt: 1,
  model: MODEL,
  prompt: [3, 17, 255, 9],
  emitted: [],
  params: { ...GREEDY, maxTokens },
  stopTokens: [],
  remainingMs: 60_000,
  ...overrides,
});

export interface LoopSetup {
  slots?: number;
  memory?: ReturnType<typeof kvMemory>;
  onEvent?(event: JobEvent, loop: EngineLoop): void;
}

export function startLoop({ session }: LoadedModel, setup: LoopSetup = {}) {
  const { slots = 4, memory = kvMemory(session), onEvent } = setup;
  const events: JobEvent[] = [];
  const loop: EngineLoop = new EngineLoop(
    { model: MODEL, slots },
    {
      session,
      memory,
      emit(event) {
        events.push(event);
        onEvent?.(event, loop);
      },
    },
  );
  const of = (request: NodeJob) => events.filter((e) => e.requestId === request.requestId);
  const tokens = (request: NodeJob) =>
    of(request).flatMap((e) => (e.type === 'tokens' ? e.tokens : []));
  return { loop, events, of, tokens };
}

/** The tokens of a request that is served by nobody's side. */
export async function answerAlone({ session }: LoadedModel, request: NodeJob): Promise<number[]> {
  const { prompt, params, stopTokens } = request;
  return (await generate(session, prompt, params, { stopTokens })).tokens;
}
