'use client';

import { useQueries } from '@tanstack/react-query';
import { useState } from 'react';
import { Button } from '@/components/button';
import { Problem } from '@/components/problem';
import { useLangOf, useWords } from '@/lib/i18n/provider';
import { useTRPC } from '@/lib/trpc';
import { useChat } from './chat-context';
import { FailureText } from './failure';

const percent = (probability: number) =>
  probability >= 0.9995 ? '100%' : `${(100 * probability).toFixed(probability < 0.1 ? 2 : 1)}%`;

/** White space is a token, too, and must be seen. */
const visible = (text: string) => text.replaceAll('\n', '⏎\n').replaceAll('\t', '⇥');

export function TokensPanel({ ids }: { ids: readonly string[] }) {
  const { tokens: t } = useWords();
  const langOf = useLangOf();
  const trpc = useTRPC();
  const { conversation, snapshot, show } = useChat();
  const answers = useQueries({
    queries: ids.map((id) => trpc.answers.tokens.queryOptions({ id })),
  });
  const [chosen, setChosen] = useState(0);
  const error = answers.find((answer) => answer.error)?.error;
  if (error) return <Problem title={<FailureText error={error} />} />;
  if (answers.some(({ isPending }) => isPending))
    return <div aria-hidden className="skeleton h-40" />;
  const parts = answers.map(({ data }) => data);
  const tokens = parts.flatMap((data) => (data?.kind === 'tokens' ? data.tokens : []));
  const left = parts.reduce((sum, data) => sum + (data?.kind === 'tokens' ? data.left : 0), 0);
  if (tokens.length === 0) {
    const none = parts.some((data) => data?.kind === 'none');
    return (
      <div className="space-y-4 text-sm text-soft">
        <p>{none ? t.none : t.expired}</p>
        {none && (
          <Button
            disabled={snapshot.open}
            onClick={() => {
              conversation.set({ ...snapshot.settings, probabilities: true });
              conversation.regenerate(ids[0] ?? '');
              show(null);
            }}
          >
            {t.keep}
          </Button>
        )}
      </div>
    );
  }
  const token = tokens[chosen];
  return (
    <div className="space-y-4">
      <p className="text-sm text-soft">{t.text}</p>
      <div
        lang={langOf(tokens.map(({ text }) => text).join(''))}
        className="leading-8 break-words whitespace-pre-wrap"
      >
        {tokens.map(({ text, probability }, i) => (
          <button
            // biome-ignore lint/suspicious/noArrayIndexKey: a token is its place
            key={i}
            type="button"
            aria-pressed={i === chosen}
            aria-label={`${text.trim() || visible(text)}, ${percent(probability)}`}
            title={percent(probability)}
            onClick={() => setChosen(i)}
            className="rounded-sm whitespace-pre-wrap aria-pressed:outline-2 aria-pressed:outline-accent"
            style={{
              background: `color-mix(in oklch, var(--accent) ${Math.round(4 + 36 * probability)}%, transparent)`,
            }}
          >
            {visible(text)}
          </button>
        ))}
        {left > 0 && <span className="text-sm text-faint"> {t.left(left)}</span>}
      </div>
      {token && (
        <table className="data-table">
          <thead>
            <tr>
              <th scope="col">{t.token}</th>
              <th scope="col">{t.probability}</th>
            </tr>
          </thead>
          <tbody>
            {listed(token).map(({ text, probability, isChosen }) => (
              <tr key={text}>
                <td>
                  <code className="font-mono">{JSON.stringify(text)}</code>
                  {isChosen && <span className="ml-2 text-faint">{t.chosen}</span>}
                </td>
                <td>
                  <span className="flex items-center gap-2">
                    <span className="w-14">{percent(probability)}</span>
                    <span className="h-1.5 w-24 overflow-hidden rounded-full bg-sunken">
                      <span
                        className="block h-full bg-accent"
                        style={{ width: `${100 * probability}%` }}
                      />
                    </span>
                  </span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
    </div>
  );
}

interface Likely {
  text: string;
  probability: number;
}

/** The likeliest, and the chosen one where it is not among them. */
function listed({ text, probability, top }: Likely & { top: Likely[] }) {
  const all = top.some((other) => other.text === text) ? top : [...top, { text, probability }];
  return all.map((likely) => ({ ...likely, isChosen: likely.text === text }));
}
