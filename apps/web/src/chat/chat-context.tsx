'use client';

import { createContext, use } from 'react';
import type { ClusterState, Defaults, Retention, ServedModel } from './api-types';
import type { Drafts } from './drafts';
import type { Snapshot } from './snapshot';
import type { Conversation } from './store';

/** One at a time is open over the page. */
export type OpenDialog =
  | { kind: 'palette' | 'drawer' | 'kept' | 'deleteAll' | 'settings' }
  | { kind: 'rename' | 'share' | 'delete'; id: string; title: string }
  | { kind: 'provenance' | 'tokens'; ids: readonly string[] };

export interface Chat {
  status: ClusterState;
  model: ServedModel;
  defaults: Defaults | null;
  retention: Retention;
  conversation: Conversation;
  snapshot: Snapshot;
  drafts: Drafts;
  /** Of what is typed now. */
  draftKey: string;
  dialog: OpenDialog | null;
  show(dialog: OpenDialog | null): void;
  /** A conversation by its id; without one, a new one. */
  goTo(id: string | null): void;
  send(text: string): void;
  /** What was done to a conversation that may not be the one that is shown. */
  told(id: string, what: { title?: string; shareToken?: string | null }): void;
  /** Conversations that are gone; without ids, all of them. */
  forget(ids?: readonly string[]): void;
}

export const ChatContext = createContext<Chat | null>(null);

export function useChat(): Chat {
  const chat = use(ChatContext);
  if (!chat) throw new TypeError('outside of the chat');
  return chat;
}
