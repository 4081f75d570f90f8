'use client';

import { useQuery } from '@tanstack/react-query';
import { usePathname, useRouter } from 'next/navigation';
import { useCallback, useEffect, useMemo, useState, useSyncExternalStore } from 'react';
import { useWords } from '@/lib/i18n/provider';
import { useTRPC } from '@/lib/trpc';
import type { ClusterState, Defaults, Retention, ServedModel } from './api-types';
import { type Chat, ChatContext, type OpenDialog } from './chat-context';
import { Dialogs } from './dialogs';
import { Drafts, NEW_CONVERSATION } from './drafts';
import { newId } from './new-id';
import { Sidebar } from './sidebar';
import { Thread } from './thread';
import { useConversations } from './use-conversations';

/** Looks often while something is missing, rarely while all is well. */
const LOOK_MS = { ready: 15_000, other: 2000 };

interface ChatShellProps {
  initialStatus: ClusterState;
  model: ServedModel;
  initialDefaults: Defaults | null;
  retention: Retention;
}

const idIn = (path: string): string | null => /^\/c\/([^/]+)$/.exec(path)?.[1] ?? null;

export function ChatShell({ initialStatus, model, initialDefaults, retention }: ChatShellProps) {
  const trpc = useTRPC();
  const router = useRouter();
  const t = useWords();
  const { data: status } = useQuery(
    trpc.cluster.status.queryOptions(undefined, {
      initialData: initialStatus,
      refetchInterval: ({ state }) =>
        state.data?.state === 'ready' ? LOOK_MS.ready : LOOK_MS.other,
    }),
  );
  const { data: defaults } = useQuery(
    trpc.answers.defaults.queryOptions(undefined, {
      ...(initialDefaults ? { initialData: initialDefaults } : {}),
      enabled: status.model !== null,
      staleTime: 60_000,
    }),
  );
  const { conversations, changed } = useConversations();
  const addressed = idIn(usePathname());
  const [freshId, setFreshId] = useState(newId);
  // Once it has an address, the next new conversation is another one.
  useEffect(() => {
    if (addressed === freshId) setFreshId(newId());
  }, [addressed, freshId]);
  const conversation = conversations.get(addressed ?? freshId, { fresh: addressed === null });
  const [drafts] = useState(() => new Drafts());
  const draftKey = addressed ?? NEW_CONVERSATION;
  const snapshot = useSyncExternalStore(
    conversation.subscribe,
    () => conversation.snapshot,
    () => conversation.snapshot,
  );
  const [dialog, show] = useState<OpenDialog | null>(null);
  const { title, state } = snapshot;
  // A dialog may show what was deleted in another tab.
  useEffect(() => {
    if (state !== 'missing') return;
    show(null);
    drafts.forget([conversation.id]);
  }, [state, drafts, conversation]);
  useEffect(() => {
    document.title = title ? `${title} · Blyan` : 'Blyan';
  }, [title]);
  // A new conversation has an address as soon as the server knows it.
  useEffect(() => {
    if (addressed === null && title) history.pushState(null, '', `/c/${conversation.id}`);
  }, [addressed, title, conversation]);

  useEffect(() => {
    const isVisible = () => document.visibilityState === 'visible';
    const look = () => {
      conversation.show(isVisible());
      // Another tab may have gone on while this one was out of sight.
      if (isVisible()) void conversation.refresh();
    };
    conversation.show(isVisible());
    document.addEventListener('visibilitychange', look);
    return () => {
      document.removeEventListener('visibilitychange', look);
      conversation.show(false);
    };
  }, [conversation]);

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      if (!(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
      if (event.key.toLowerCase() !== 'k') return;
      event.preventDefault();
      show((now) => (now?.kind === 'palette' ? null : { kind: 'palette' }));
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);

  const goTo = useCallback(
    (id: string | null) => {
      show(null);
      if (id === null) setFreshId(newId());
      router.push(id ? `/c/${id}` : '/');
    },
    [router],
  );
  const chat = useMemo<Chat>(
    () => ({
      status,
      model,
      defaults: defaults ?? null,
      retention,
      conversation,
      snapshot,
      drafts,
      draftKey,
      dialog,
      show,
      goTo,
      send(text) {
        conversation.send(text);
      },
      told(id, what) {
        const known = conversations.known(id);
        if (known) known.told(what);
        else changed(id);
      },
      forget(ids) {
        conversations.forget(ids);
        drafts.forget(ids);
        for (const id of ids ?? [null]) changed(id);
        if (!ids || ids.includes(conversation.id)) goTo(null);
      },
    }),
    [
      status,
      model,
      defaults,
      retention,
      conversation,
      snapshot,
      drafts,
      draftKey,
      dialog,
      goTo,
      conversations,
      changed,
    ],
  );

  return (
    <ChatContext value={chat}>
      <div className="chat-shell flex h-[calc(100dvh-3.25rem-1px)] min-h-0">
        <aside aria-label={t.list.title} className="hidden w-68 shrink-0 border-r lg:block">
          <Sidebar />
        </aside>
        <Thread key={conversation.id} />
      </div>
      <Dialogs />
    </ChatContext>
  );
}
