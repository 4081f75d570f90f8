/** A whole model in one engine. */
import { EngineLoop, type LoopDeps } from './loop.ts';
import type { ModelSession } from './model-session.ts';
import type { Serving } from './serving.ts';

export interface WholeOptions {
  model: string;
  slots: number;
}

export interface WholeDeps extends LoopDeps {
  onDecode(ms: number): void;
}

export function serveWhole(options: WholeOptions, { onDecode, ...deps }: WholeDeps): Serving {
  const loop = new EngineLoop(options, { ...deps, session: timed(deps.session, onDecode) });
  return {
    submit: (job) => loop.submit(job),
    cancel: (requestId, attempt) => loop.cancel(requestId, attempt),
    drain: () => loop.drain(),
    // Nothing but the number of the assignment has changed.
    assign: () => Promise.resolve(),
    get load() {
      return { running: loop.active - loop.waiting, waiting: loop.waiting };
    },
    links: [],
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

function timed(session: ModelSession, onDecode: (ms: number) => void): ModelSession {
  return {
    config: session.config,
    slots: session.slots,
    numerics: session.numerics,
    createCache: () => session.createCache(),
    prefill: (cache, run) => session.prefill(cache, run),
    async decode(caches, input) {
      const start = performance.now();
      const output = await session.decode(caches, input);
      onDecode(performance.now() - start);
      return output;
    },
    room: (cache) => session.room(cache),
    check: (cache, input, rows) => session.check(cache, input, rows),
  };
}
