import 'katex/dist/katex.min.css';
import type { ReactNode } from 'react';
import { ChatShell } from '@/chat/chat-shell';
import { context } from '@/server/context';
import { orNull } from '@/server/trpc/or-null';
import { api } from '@/server/trpc/root';

export const dynamic = 'force-dynamic';

/** The whole chat: it stays while one goes from conversation to conversation, and so do its answers. */
export default async function ChatLayout({ children }: { children: ReactNode }) {
  // What is missing is said by the status.
  const [status, model, defaults] = await Promise.all([
    api.cluster.status(),
    orNull(api.chain.servedModel()).catch(() => null),
    api.answers.defaults().catch(() => null),
  ]);
  const { retentionHours: hours, conversationRetentionDays: conversationDays } = context().config;
  return (
    <>
      <ChatShell
        initialStatus={status}
        model={model}
        initialDefaults={defaults}
        retention={{ hours, conversationDays }}
      />
      {children}
    </>
  );
}
