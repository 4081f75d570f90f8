'use client';

import { CornerDownRight } from 'lucide-react';
import { Command } from '@/components/command';
import { Hash } from '@/components/hash';
import { Problem } from '@/components/problem';
import { State } from '@/components/state';
import { blockHref } from '@/lib/explorer-links';
import { formatCount, formatParameters } from '@/lib/format';
import { useLangOf, useLocale, useWords } from '@/lib/i18n/provider';
import type { ClusterState, ServedModel } from './api-types';
import { loadingStep } from './phase';
import { remedyOf, wordsOf } from './remedies';

/** Small questions for a small model: what this is, how to check it, and something general. */
const STARTERS = ['What is Blyan?', 'How do I verify a block?', 'Explain hashing in one sentence.'];

interface WelcomeProps {
  status: ClusterState;
  model: ServedModel;
  onAsk(text: string): void;
}

export function Welcome({ status, model, onAsk }: WelcomeProps) {
  const { welcome: t } = useWords();
  const langOf = useLangOf();
  return (
    <div className="flex flex-1 flex-col justify-center py-10">
      <div className="mb-4 text-sm">
        <ModelState status={status} />
      </div>
      <h1 className="max-w-xl text-2xl font-semibold tracking-tight text-balance sm:text-3xl">
        {t.title}
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
              <span lang={langOf(question)}>{question}</span>
              <CornerDownRight aria-hidden className="size-4 text-faint group-hover:text-accent" />
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

function ModelState({ status }: { status: ClusterState }) {
  const { welcome: t, problem, phase } = useWords();
  const langOf = useLangOf();
  if (status.state === 'ready')
    return (
      <ul className="space-y-1">
        <li>
          <State kind="good">{t.ready(status.model ?? '')}</State>
        </li>
        {status.notices.map((notice) => (
          <li key={notice}>
            <State kind="warn">
              <span lang={langOf(notice)}>{notice}</span>
            </State>
          </li>
        ))}
      </ul>
    );
  if (status.state === 'loading')
    return (
      <State kind="busy">
        {t.loading(status.model ?? '', status.progress ? loadingStep(status.progress, phase) : '')}
      </State>
    );
  const words = wordsOf(status.code, problem.codes);
  const reason = <span lang={langOf(status.reason)}>{status.reason}</span>;
  return (
    <Problem title={words?.what ?? reason}>
      {words && remedyOf(status.code).words && (
        <p>
          {problem.server} {reason}
        </p>
      )}
      {words && <p>{words.todo}</p>}
      {status.command && <Command>{status.command}</Command>}
    </Problem>
  );
}

function Origin({ model }: { model: NonNullable<ServedModel> }) {
  const { welcome: t } = useWords();
  const locale = useLocale();
  return (
    <p className="mt-3 max-w-xl leading-relaxed text-soft">
      {t.originA(formatParameters(model.parameters, locale), model.name)}
      {t.originB(formatCount(model.layerBlocks))}
      {model.first?.height != null &&
        model.last?.height != null &&
        t.originC(model.first.height, model.last.height)}
      {t.originD}
      <Hash value={model.hash} href={blockHref('A', model.hash)} copy={false} label={t.block} />
      {t.originE}
    </p>
  );
}
