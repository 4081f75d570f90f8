'use client';

import { CornerDownRight } from 'lucide-react';
import { Command } from '@/components/command';
import { Hash } from '@/components/hash';
import { Problem } from '@/components/problem';
import { State } from '@/components/state';
import { blockHref } from '@/lib/explorer-links';
import { formatCount, formatParameters } from '@/lib/format';
import type { ClusterState, ServedModel } from './api-types';

/** Small questions for a small model: what this is, how to check it, and something general. */
const STARTERS = ['What is Blyan?', 'How do I verify a block?', 'Explain hashing in one sentence.'];

interface WelcomeProps {
  status: ClusterState;
  model: ServedModel;
  onAsk(text: string): void;
}

export function Welcome({ status, model, onAsk }: WelcomeProps) {
  return (
    <div className="flex flex-1 flex-col justify-center py-10">
      <div className="mb-4 text-sm">
        <ModelState status={status} />
      </div>
      <h1 className="max-w-xl text-2xl font-semibold tracking-tight text-balance sm:text-3xl">
        Ask a model whose every weight you can check.
      </h1>
      {model && <Origin model={model} />}
      <ul className="mt-8 divide-y border-y">
        {STARTERS.map((question) => (
          <li key={question}>
            <button
              type="button"
              onClick={() => onAsk(question)}
              className="group flex w-full items-center justify-between gap-4 py-3 text-left hover:text-accent"
            >
              {question}
              <CornerDownRight aria-hidden className="size-4 text-faint group-hover:text-accent" />
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function ModelState({ status }: { status: ClusterState }) {
  if (status.state === 'ready')
    return (
      <ul className="space-y-1">
        <li>
          <State kind="good">{status.model} is ready</State>
        </li>
        {status.notices.map((notice) => (
          <li key={notice}>
            <State kind="warn">{notice}</State>
          </li>
        ))}
      </ul>
    );
  if (status.state === 'loading')
    return (
      <State kind="busy">
        A worker is loading {status.model}
        {status.progress ? `: ${status.progress}` : ''}. Questions wait for it.
      </State>
    );
  return (
    <Problem title={status.reason}>
      {status.command && <Command>{status.command}</Command>}
      {status.code === 'model_unavailable' && (
        <p>
          A worker serves only what it could check against the chain. Put right what it names, then
          start it again.
        </p>
      )}
    </Problem>
  );
}

function Origin({ model }: { model: NonNullable<ServedModel> }) {
  return (
    <p className="mt-3 max-w-xl leading-relaxed text-soft">
      The {formatParameters(model.parameters)} weights of {model.name} come from{' '}
      {formatCount(model.layerBlocks)} blocks
      {model.first?.height != null && model.last?.height != null && (
        <>
          , B {model.first.height} to B {model.last.height}
        </>
      )}
      . They are listed by model block{' '}
      <Hash value={model.hash} href={blockHref('A', model.hash)} copy={false} label="model block" />
    </p>
  );
}
