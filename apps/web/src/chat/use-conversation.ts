'use client';

import { useEffect, useState, useSyncExternalStore } from 'react';
import { Conversation } from './store.ts';
import type { Message } from './types.ts';

const NONE: readonly Message[] = [];

/** Null until the browser has read what it kept. */
export function useConversation() {
  const [conversation, setConversation] = useState<Conversation | null>(null);
  useEffect(() => {
    const opened = new Conversation({ storage: localStorage });
    opened.open();
    setConversation(opened);
    addEventListener('pagehide', opened.save);
    return () => {
      removeEventListener('pagehide', opened.save);
      opened.close();
    };
  }, []);
  const messages = useSyncExternalStore(
    conversation?.subscribe ?? noSubscription,
    () => conversation?.messages ?? NONE,
    () => NONE,
  );
  return { conversation, messages };
}

const noSubscription = () => () => undefined;
