'use client';

import { type RefObject, useEffect, useLayoutEffect, useRef, useState } from 'react';
import type { Drafts } from './drafts';

/** The text of a field that keeps what is typed in it; another key in its life takes the text along. */
export function useDraft(
  field: RefObject<HTMLTextAreaElement | null>,
  drafts: Drafts,
  key: string,
): [text: string, type: (text: string) => void] {
  // As the server renders it; what is kept comes before the first paint.
  const [text, setText] = useState('');
  const held = useRef({ key, text });

  const type = (next: string) => {
    held.current = { key, text: next };
    drafts.set(key, next);
    setText(next);
  };

  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when the field comes to life
  useLayoutEffect(() => {
    const kept = drafts.get(key);
    // Into the server's HTML one can type before this runs.
    const typed = field.current?.value ?? '';
    type(typed === '' || typed.startsWith(kept) ? typed || kept : `${kept}\n${typed}`);
  }, []);

  useEffect(() => {
    const { key: before, text: now } = held.current;
    if (before === key) return;
    held.current = { key, text: now };
    drafts.set(before, '');
    drafts.set(key, now);
  }, [drafts, key]);

  return [text, type];
}
