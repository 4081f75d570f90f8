'use client';

import type { Stored } from '@blyan/model/formats/layout';
import { useCallback, useEffect, useRef, useState } from 'react';
import type { TensorReply, TensorRequest, View } from '@/tensor/messages';

export interface StoredTensor extends Stored {
  root: string;
  byteLength: number;
}
type Shown = Extract<TensorReply, { kind: 'view' }>;

export interface TensorView {
  shown: Shown | null;
  /** 0 to 1 while it is read, else null. */
  progress: number | null;
  failure: string | null;
  read(view: View, maxBytes: number): void;
}

/** Cells of the heatmap: one of 4 by 4 points on the widest page. */
const GRID: [number, number] = [128, 192];

export function useTensorView(tensor: StoredTensor): TensorView {
  const [shown, setShown] = useState<Shown | null>(null);
  const [progress, setProgress] = useState<number | null>(null);
  const [failure, setFailure] = useState<string | null>(null);
  const worker = useRef<Worker | null>(null);
  const end = useCallback(() => {
    worker.current?.terminate();
    worker.current = null;
  }, []);
  useEffect(() => end, [end]);

  const read = useCallback(
    (view: View, maxBytes: number) => {
      end();
      setProgress(0);
      setFailure(null);
      const fresh = new Worker(new URL('../../tensor/tensor.worker.ts', import.meta.url), {
        type: 'module',
      });
      worker.current = fresh;
      const stop = () => {
        setProgress(null);
        if (worker.current === fresh) end();
      };
      fresh.onerror = (event) => {
        setFailure(event.message || 'The reading program did not load.');
        stop();
      };
      fresh.onmessage = ({ data }: MessageEvent<TensorReply>) => {
        if (worker.current !== fresh) return;
        if (data.kind === 'progress') return setProgress(data.done / data.total);
        if (data.kind === 'failed') setFailure(data.message);
        else setShown(data);
        stop();
      };
      const { root, byteLength, name, format, shape, recipe } = tensor;
      const stored = { name, format, shape, recipe };
      const base = location.origin;
      const request = { base, root, byteLength, tensor: stored, view, grid: GRID, maxBytes };
      fresh.postMessage(request satisfies TensorRequest);
    },
    [end, tensor],
  );
  return { shown, progress, failure, read };
}
