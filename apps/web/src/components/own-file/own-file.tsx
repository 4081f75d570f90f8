'use client';

import { FileUp, Square } from 'lucide-react';
import { type DragEvent, useState } from 'react';
import { Problem } from '@/components/problem';
import { State } from '@/components/state';
import { PinNote } from '@/components/verify/pin-note';
import { StepFailure } from '@/components/verify/step-failure';
import { formatBytes, formatDuration } from '@/lib/format';
import { usePin } from '@/verify/pin';
import { OwnFileResults } from './own-file-results';
import { type OwnFileState, useOwnFile } from './use-own-file';

/** A file that is dropped or chosen, checked without leaving this browser. */
export function OwnFile({ model, genesis }: { model: string; genesis: string | null }) {
  const pin = usePin(genesis);
  const { state, start, stop } = useOwnFile();
  const [over, setOver] = useState(false);
  const take = (file: File | undefined) => {
    if (file && pin) start({ file, model, genesis: pin.genesis });
  };
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    take(event.dataTransfer.files[0]);
  };
  const busy = state.phase === 'chain' || state.phase === 'reading';
  return (
    <section aria-label="Your file" className="rounded-md border bg-surface p-4">
      {/* biome-ignore lint/a11y/noStaticElementInteractions: dropping is beside the field, not instead of it */}
      <div
        className={`rounded-md border border-dashed px-4 py-8 text-center ${over ? 'border-accent bg-accent-wash' : 'border-line-strong'}`}
        onDragOver={(event) => {
          event.preventDefault();
          setOver(true);
        }}
        onDragLeave={() => setOver(false)}
        onDrop={drop}
      >
        <FileUp aria-hidden className="mx-auto mb-2 size-6 text-faint" />
        <label className="text-sm">
          Drop a safetensors file here, or{' '}
          <input
            type="file"
            accept=".safetensors"
            className="text-sm file:mr-2 file:rounded-md file:border file:border-line-strong file:bg-page file:px-2.5 file:py-1 file:text-ink"
            disabled={!pin || busy}
            onChange={(event) => {
              take(event.target.files?.[0]);
              // The same file may be chosen again.
              event.target.value = '';
            }}
          />
        </label>
        <p className="mt-2 text-[0.8125rem] text-faint">
          Nothing is uploaded: the page reads it in place, a few MiB at a time.
        </p>
      </div>
      {busy && <Progress state={state} onStop={stop} />}
      {state.phase === 'stopped' && (
        <p role="status" className="mt-3 text-sm">
          <State kind="open">stopped before the end</State>
        </p>
      )}
      {state.chain && (
        <>
          <p className="mt-3 text-sm text-soft">
            The blocks of the model itself do not hold, so there is nothing to compare with:
          </p>
          <StepFailure step={state.chain} />
        </>
      )}
      {state.phase === 'failed' && state.message && (
        <div className="mt-3">
          <Problem title="This file could not be checked.">
            <p>{state.message}</p>
          </Problem>
        </div>
      )}
      <OwnFileResults state={state} />
      <PinNote pin={pin} named={genesis} />
    </section>
  );
}

function Progress({ state, onStop }: { state: OwnFileState; onStop(): void }) {
  const { progress, file, began, phase } = state;
  const ms = performance.now() - began;
  const rate = progress ? progress.done / 1e3 / ms : 0;
  return (
    <div className="mt-4 text-sm text-soft" role="status">
      <div className="flex flex-wrap items-center gap-3">
        <button
          type="button"
          onClick={onStop}
          className="inline-flex items-center gap-2 rounded-md border border-line-strong px-3 py-1.5 text-ink hover:bg-sunken"
        >
          <Square aria-hidden className="size-4" /> Cancel
        </button>
        <State kind="busy">
          {phase === 'chain' ? "verifying the model's blocks first" : `reading ${file?.name}`}
        </State>
      </div>
      {progress && (
        <>
          <progress
            aria-label="Progress"
            className="mt-2 h-1.5 w-full accent-accent"
            value={progress.done}
            max={progress.total}
          />
          <p className="tabular-nums">
            {formatBytes(progress.done)} of {formatBytes(progress.total)}, {rate.toFixed(1)} MB/s
            {rate > 0 && `, ${formatDuration((progress.total - progress.done) / 1e3 / rate)} left`}{' '}
            <span className="text-faint">{progress.name}</span>
          </p>
        </>
      )}
    </div>
  );
}
