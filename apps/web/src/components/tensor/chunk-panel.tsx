'use client';

import { useState } from 'react';
import { VerifyPanel } from '@/components/verify/verify-panel';
import { formatCount } from '@/lib/format';

/** Of docs/chain.md: bytes of one leaf. */
const LEAF_SIZE = 2 ** 20;

interface ChunkPanelProps {
  root: string;
  block: string;
  byteLength: number;
  genesis: string | null;
}

/** One chunk of many, checked by its own path to the root. */
export function ChunkPanel({ root, block, byteLength, genesis }: ChunkPanelProps) {
  const [chunk, setChunk] = useState(0);
  const count = Math.ceil(byteLength / LEAF_SIZE);
  const end = Math.min(byteLength, (chunk + 1) * LEAF_SIZE);
  return (
    <>
      <p className="mb-3 flex flex-wrap items-center gap-x-3 text-sm text-soft">
        <label className="flex items-center gap-2">
          Chunk
          <input
            type="number"
            min={0}
            max={count - 1}
            value={chunk}
            onChange={(event) => {
              const wanted = Math.trunc(event.target.valueAsNumber || 0);
              setChunk(Math.min(count - 1, Math.max(0, wanted)));
            }}
            className="w-24 rounded-md border border-line-strong bg-surface px-2 py-1 text-ink tabular-nums"
          />
        </label>
        <span className="tabular-nums">
          of {formatCount(count)}: bytes {formatCount(chunk * LEAF_SIZE)} to {formatCount(end - 1)}
        </span>
      </p>
      <VerifyPanel
        key={chunk}
        label="Verify this chunk"
        target={{ kind: 'tensor', root, block, chunk }}
        genesis={genesis}
      />
    </>
  );
}
