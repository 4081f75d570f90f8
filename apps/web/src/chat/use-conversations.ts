'use client';

import { useQueryClient } from '@tanstack/react-query';
import { TRPCClientError } from '@trpc/client';
import { useEffect, useState } from 'react';
import { useTRPC, useTRPCClient } from '@/lib/trpc';
import type { AppRouter } from '@/server/trpc/root';
import { Refusal } from './connection';
import { answeredProblem } from './failure';
import { Conversation, type ConversationDeps } from './store';

/** Other tabs hear on it which conversation has changed; null: any of them may have. */
const CHANNEL = 'blyan.conversations';

/** Every conversation that was open in this page: answers go on while another one is read. */
class Conversations {
  readonly #open = new Map<string, Conversation>();
  readonly #deps: ConversationDeps;

  constructor(deps: ConversationDeps) {
    this.#deps = deps;
  }

  /** `fresh`: one that was not asked in yet. */
  get(id: string, { fresh }: { fresh: boolean }): Conversation {
    let conversation = this.#open.get(id);
    if (!conversation) {
      conversation = new Conversation(id, { fresh }, this.#deps);
      this.#open.set(id, conversation);
      if (!fresh && typeof window !== 'undefined') void conversation.refresh();
    }
    return conversation;
  }

  known = (id: string): Conversation | undefined => this.#open.get(id);

  /** Another tab has changed one of them, or all. */
  refresh(id: string | null): void {
    for (const conversation of this.#open.values())
      if (id === null || conversation.id === id) void conversation.refresh();
  }

  /** They are deleted; who comes back to one is told so. */
  forget(ids: readonly string[] = [...this.#open.keys()]): void {
    for (const id of ids) this.#open.get(id)?.gone();
  }

  close(): void {
    for (const conversation of this.#open.values()) conversation.close();
  }
}

const isNotFound = (error: unknown): boolean =>
  error instanceof TRPCClientError && error.data?.code === 'NOT_FOUND';

export function useConversations() {
  const trpc = useTRPC();
  const client = useTRPCClient();
  const queries = useQueryClient();
  const [{ conversations, tell }] = useState(() => {
    const listChanged = () => void queries.invalidateQueries(trpc.conversations.list.pathFilter());
    let channel: BroadcastChannel | undefined;
    const tell = {
      /** Other tabs, and the list of this one. @param id null: all of them */
      changed(id: string | null) {
        listChanged();
        channel?.postMessage(id);
      },
      hear(refresh: (id: string | null) => void): () => void {
        const heard = new BroadcastChannel(CHANNEL);
        channel = heard;
        heard.onmessage = ({ data }) => {
          listChanged();
          if (typeof data === 'string' || data === null) refresh(data);
        };
        return () => heard.close();
      },
    };
    const conversations = new Conversations({
      async ask(input, signal) {
        try {
          await client.conversations.ask.mutate(input, { signal });
        } catch (error) {
          const answered = answeredProblem(error);
          if (answered) throw new Refusal(answered, answered.status);
          // Without a code of ours nobody has heard it, or something before the server refuses it.
          if (!(error instanceof TRPCClientError)) throw error;
          const { meta, message } = error as TRPCClientError<AppRouter>;
          const { status = 0 } = (meta?.response as Response | undefined) ?? {};
          if (status >= 400 && status < 500 && status !== 429)
            throw new Refusal({ code: `http_${status}`, message }, status);
          throw error;
        }
      },
      async read(id) {
        try {
          return await client.conversations.get.query({ id });
        } catch (error) {
          if (isNotFound(error)) return null;
          throw error;
        }
      },
      async select(id, head) {
        await client.conversations.select.mutate({ id, head });
      },
      changed: tell.changed,
    });
    return { conversations, tell };
  });
  useEffect(() => {
    const stopHearing = tell.hear((id) => conversations.refresh(id));
    return () => {
      stopHearing();
      conversations.close();
    };
  }, [conversations, tell]);
  return { conversations, changed: tell.changed };
}
