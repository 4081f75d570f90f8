'use client';

import { CornerDownRight, Hexagon, Network, RotateCcw } from 'lucide-react';
import { CopyButton } from '@/components/copy-button';
import { useLangOf, useWords } from '@/lib/i18n/provider';
import { joinParts } from '@/lib/tree';
import type { ClusterState } from './api-types';
import type { OpenDialog } from './chat-context';
import { Markdown } from './markdown';
import { useNear } from './near';
import { Phase } from './phase';
import { AnswerProblem } from './problem';
import { ProvenanceLine } from './provenance-line';
import { Thinking } from './thinking';
import { type AssistantMessage, isOpen } from './types';
import { VersionSwitch, type VersionSwitchProps } from './version-switch';

interface AnswerProps {
  /** One, or more for an answer that was cut and went on. */
  parts: readonly AssistantMessage[];
  last: boolean;
  status: ClusterState | null;
  switcher: VersionSwitchProps | null;
  onRegenerate: ((id: string) => void) | undefined;
  onContinue: ((id: string) => void) | undefined;
  onShow: ((dialog: OpenDialog) => void) | undefined;
}

export function Answer(props: AnswerProps) {
  const { parts, last, status, switcher, onRegenerate, onContinue, onShow } = props;
  const { thread: t } = useWords();
  const langOf = useLangOf();
  const [element, near] = useNear<HTMLElement>();
  const end = parts.at(-1);
  if (!end) return null;
  const { finishReason, problem, provenance } = end;
  const open = isOpen(end);
  const text = joinParts(parts.map((part) => part.text));
  const thinking = joinParts(parts.map((part) => part.thinking));
  const ids = parts.map(({ id }) => id);
  const cut = finishReason === 'length' || finishReason === 'cancelled';
  const canContinue = last && end.accepted && end.tokens > 0 && (cut || problem !== null);
  return (
    <article ref={element} aria-label={t.answer} aria-busy={open} className="group">
      {thinking !== '' && <Thinking text={thinking} now={open && text === ''} />}
      {text !== '' && (
        <div lang={langOf(text)}>
          {near || open ? (
            <Markdown text={text} streaming={open} />
          ) : (
            <p className="leading-[1.65] whitespace-pre-wrap">{text}</p>
          )}
        </div>
      )}
      {open && status && <Phase message={end} status={status} />}
      {finishReason === 'length' && <p className="mt-2 text-sm text-warn">{t.cut}</p>}
      {finishReason === 'cancelled' && <p className="mt-2 text-sm text-faint">{t.stopped}</p>}
      {problem && (
        <AnswerProblem
          problem={problem}
          status={status}
          onRetry={
            onRegenerate && ((whole) => onRegenerate(whole ? (parts[0]?.id ?? end.id) : end.id))
          }
        />
      )}
      {!open && (
        <footer className="mt-2 flex flex-wrap items-center gap-x-2 gap-y-1">
          {provenance && <ProvenanceLine provenance={provenance} />}
          <span className="-ml-2 flex items-center sm:ml-auto">
            {switcher && <VersionSwitch {...switcher} />}
            {canContinue && onContinue && (
              <button
                type="button"
                className="icon-button w-auto grid-flow-col gap-1.5 px-2 text-sm"
                title={t.goOnHint}
                onClick={() => onContinue(end.id)}
              >
                <CornerDownRight aria-hidden className="size-4" /> {t.goOn}
              </button>
            )}
            {text !== '' && <CopyButton text={text} label={t.copyAnswer} />}
            {onShow && provenance && (
              <>
                <IconAction
                  label={t.provenance}
                  icon={Network}
                  run={() => onShow({ kind: 'provenance', ids })}
                />
                <IconAction
                  label={t.tokens}
                  icon={Hexagon}
                  run={() => onShow({ kind: 'tokens', ids })}
                />
              </>
            )}
            {onRegenerate && !problem && (
              <IconAction
                label={t.regenerate}
                hint={t.regenerateHint}
                icon={RotateCcw}
                run={() => onRegenerate(parts[0]?.id ?? end.id)}
              />
            )}
          </span>
        </footer>
      )}
    </article>
  );
}

interface IconActionProps {
  label: string;
  hint?: string;
  icon: typeof RotateCcw;
  run(): void;
}

function IconAction({ label, hint = label, icon: Icon, run }: IconActionProps) {
  return (
    <button type="button" className="icon-button" aria-label={label} title={hint} onClick={run}>
      <Icon aria-hidden className="size-4" />
    </button>
  );
}
