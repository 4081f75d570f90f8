'use client';

import { useCallback, useEffect, useRef, useState } from 'react';
import type { WalkReply, WalkRequest, WalkTarget } from './messages';
import { readCheckpoints, writeCheckpoints } from './pin';
import { foldEvents, IDLE, type WalkState } from './walk-state';

export interface Walk {
  state: WalkState;
  start(target: WalkTarget, genesis: string): void;
  stop(): void;
}

/** One walk at a time, in a worker that ends with it. */
export function useWalk(): Walk {
  const [state, setState] = useState<WalkState>(IDLE);
  const worker = useRef<Worker | null>(null);

  const end = useCallback(() => {
    worker.current?.terminate();
    worker.current = null;
  }, []);
  useEffect(() => end, [end]);

  const start = useCallback(
    (target: WalkTarget, genesis: string) => {
      end();
      setState({ ...IDLE, phase: 'running' });
      const fresh = new Worker(new URL('./walk.worker.ts', import.meta.url), { type: 'module' });
      worker.current = fresh;
      const crash = (message: string) => {
        setState((before) => ({ ...before, phase: 'crashed', message }));
        if (worker.current === fresh) end();
      };
      fresh.onerror = (event) => crash(event.message || 'The verifying program did not load.');
      fresh.onmessage = ({ data }: MessageEvent<WalkReply>) => {
        if (worker.current !== fresh) return;
        if (data.kind === 'crashed') return crash(data.message);
        setState((before) => foldEvents(before, data.events));
        const verdict = data.events.at(-1);
        if (verdict?.kind !== 'verdict') return;
        // Also of a walk that failed behind them: they are signed and were verified.
        writeCheckpoints(genesis, verdict.checkpoints);
        end();
      };
      const kept = readCheckpoints(genesis);
      fresh.postMessage({ genesis, base: location.origin, target, kept } satisfies WalkRequest);
    },
    [end],
  );

  const stop = useCallback(() => {
    if (!worker.current) return;
    end();
    setState((before) => ({ ...before, phase: 'stopped', progress: null }));
  }, [end]);

  return { state, start, stop };
}
