'use client';

import type { Step } from '@blyan/chain/walk';
import { useCallback, useEffect, useRef, useState } from 'react';
import type { OwnFileReply, OwnFileRequest, TensorResult } from '@/own-file/messages';

export interface OwnFileState {
  phase: 'idle' | 'chain' | 'reading' | 'done' | 'failed' | 'stopped';
  file: { name: string; size: number } | null;
  began: number;
  progress: { done: number; total: number; name: string } | null;
  results: TensorResult[];
  end: Extract<OwnFileReply, { kind: 'file' }> | null;
  /** The model's own blocks did not hold. */
  chain: Step | null;
  message: string | null;
}

const IDLE: OwnFileState = {
  phase: 'idle',
  file: null,
  began: 0,
  progress: null,
  results: [],
  end: null,
  chain: null,
  message: null,
};

export function useOwnFile() {
  const [state, setState] = useState<OwnFileState>(IDLE);
  const worker = useRef<Worker | null>(null);
  const end = useCallback(() => {
    worker.current?.terminate();
    worker.current = null;
  }, []);
  useEffect(() => end, [end]);

  const start = useCallback(
    (request: Omit<OwnFileRequest, 'base'>) => {
      end();
      const { name, size } = request.file;
      setState({ ...IDLE, phase: 'chain', file: { name, size }, began: performance.now() });
      const fresh = new Worker(new URL('../../own-file/own-file.worker.ts', import.meta.url), {
        type: 'module',
      });
      worker.current = fresh;
      fresh.onerror = (event) => {
        const message = event.message || 'The checking program did not load.';
        setState((before) => ({ ...before, phase: 'failed', message }));
        end();
      };
      fresh.onmessage = ({ data }: MessageEvent<OwnFileReply>) => {
        if (worker.current !== fresh) return;
        setState((before) => fold(before, data));
        if (data.kind === 'file' || data.kind === 'failed') end();
      };
      fresh.postMessage({ ...request, base: location.origin } satisfies OwnFileRequest);
    },
    [end],
  );
  const stop = useCallback(() => {
    end();
    setState((before) => ({ ...before, phase: 'stopped', progress: null }));
  }, [end]);
  return { state, start, stop };
}

function fold(state: OwnFileState, reply: OwnFileReply): OwnFileState {
  switch (reply.kind) {
    case 'chain':
      return reply.failed
        ? { ...state, phase: 'failed', chain: reply.failed }
        : { ...state, phase: 'reading' };
    case 'progress':
      return { ...state, progress: reply };
    case 'tensor':
      return { ...state, results: [...state.results, reply.result] };
    case 'file':
      return { ...state, phase: 'done', end: reply, progress: null };
    case 'failed':
      return { ...state, phase: 'failed', message: reply.message, progress: null };
  }
}
