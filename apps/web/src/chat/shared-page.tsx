'use client';

import Link from 'next/link';
import { useMemo } from 'react';
import { useLangOf, useWords } from '@/lib/i18n/provider';
import { Answer } from './answer';
import type { SharedView } from './api-types';
import { fromView } from './from-view';
import { Question } from './question';
import { shownTurns } from './snapshot';
import type { AssistantMessage, UserMessage } from './types';

/** A conversation by its link: the branch that its owner reads, without anything to change it. */
export function SharedPage({ shared }: { shared: SharedView }) {
  const t = useWords();
  const langOf = useLangOf();
  const { title, head, messages } = shared;
  const turns = useMemo(() => {
    const nodes = new Map(messages.map((message) => [message.id, fromView(message)]));
    return shownTurns(nodes, head);
  }, [messages, head]);
  return (
    <main id="main" className="mx-auto w-full max-w-3xl flex-1 px-4 pb-16 sm:px-6">
      <h1 lang={langOf(title)} className="mt-8 text-xl font-semibold tracking-tight">
        {title}
      </h1>
      <p className="mt-1 text-sm text-faint">
        {t.share.shared}{' '}
        <Link href="/" className="link">
          {t.share.own}
        </Link>
      </p>
      <ol aria-label={t.thread.label} className="py-6">
        {turns.map(({ role, parts }) => (
          <li
            key={parts[0]?.id}
            className={`${role === 'user' ? 'pt-4' : 'pb-4'} [contain-intrinsic-size:auto_10rem] [content-visibility:auto]`}
          >
            {role === 'user' ? (
              <Question message={parts[0] as UserMessage} switcher={null} onEdit={undefined} />
            ) : (
              <Answer
                parts={parts as AssistantMessage[]}
                last={false}
                status={null}
                switcher={null}
                onRegenerate={undefined}
                onContinue={undefined}
                onShow={undefined}
              />
            )}
          </li>
        ))}
      </ol>
    </main>
  );
}
