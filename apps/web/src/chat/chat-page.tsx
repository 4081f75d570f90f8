'use client';

import { useQuery } from '@tanstack/react-query';
import { ArrowDown, SquarePen } from 'lucide-react';
import { useCallback } from 'react';
import { useTRPC } from '@/lib/trpc';
import { Announcer } from './announcer';
import { Answer } from './answer';
import type { ClusterState, ServedModel } from './api-types';
import { Composer } from './composer';
import { isOpen } from './types';
import { useConversation } from './use-conversation';
import { useStickToBottom } from './use-stick-to-bottom';
import { Welcome } from './welcome';

/** Looks often while something is missing, rarely while all is well. */
const LOOK_MS = { ready: 15_000, other: 2000 };

interface ChatPageProps {
  initialStatus: ClusterState;
  model: ServedModel;
}

export function ChatPage({ initialStatus, model }: ChatPageProps) {
  const trpc = useTRPC();
  const { data: status } = useQuery(
    trpc.cluster.status.queryOptions(undefined, {
      initialData: initialStatus,
      refetchInterval: ({ state }) =>
        state.data?.state === 'ready' ? LOOK_MS.ready : LOOK_MS.other,
    }),
  );
  const { conversation, messages } = useConversation();
  const { stuck, toBottom } = useStickToBottom(messages);
  const last = messages.at(-1);
  const busy = isOpen(last);
  const send = useCallback(
    (text: string) => {
      conversation?.send(text);
      toBottom();
    },
    [conversation, toBottom],
  );

  return (
    <main id="main" className="mx-auto flex w-full max-w-3xl flex-1 flex-col px-4 sm:px-6">
      {messages.length === 0 ? (
        <Welcome status={status} model={model} onAsk={send} />
      ) : (
        <ol aria-label="Conversation" className="flex-1 space-y-8 py-8">
          {messages.map((message, i) => (
            <li key={message.id}>
              {message.role === 'user' ? (
                <div className="flex justify-end">
                  <p className="max-w-[85%] rounded-lg bg-sunken px-3.5 py-2 break-words whitespace-pre-wrap">
                    <span className="sr-only">You asked: </span>
                    {message.text}
                  </p>
                </div>
              ) : (
                <Answer
                  message={message}
                  status={status}
                  onRegenerate={
                    i === messages.length - 1 ? () => conversation?.regenerate() : undefined
                  }
                />
              )}
            </li>
          ))}
        </ol>
      )}
      <Announcer message={last} />
      <div className="sticky bottom-0 -mx-4 bg-page px-4 pb-3 sm:-mx-6 sm:px-6">
        {!stuck && messages.length > 0 && (
          <button
            type="button"
            onClick={toBottom}
            className="absolute -top-11 left-1/2 inline-flex -translate-x-1/2 items-center gap-1.5 rounded-full border border-line-strong bg-surface px-3 py-1.5 text-sm shadow-sm hover:bg-sunken"
          >
            <ArrowDown aria-hidden className="size-4" /> Latest
          </button>
        )}
        <Composer
          busy={busy}
          ready={conversation !== null}
          onSend={send}
          onStop={() => conversation?.stop()}
        />
        <div className="mt-1.5 flex items-center justify-between gap-3 text-[0.8125rem] text-faint">
          <p>The workers that answer can read what you ask.</p>
          {messages.length > 0 && (
            <button
              type="button"
              onClick={() => conversation?.clear()}
              className="inline-flex items-center gap-1.5 rounded px-1 py-0.5 whitespace-nowrap hover:text-ink"
            >
              <SquarePen aria-hidden className="size-3.5" /> New conversation
            </button>
          )}
        </div>
      </div>
    </main>
  );
}
