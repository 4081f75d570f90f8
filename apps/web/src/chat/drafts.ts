/**
 * What was typed and not sent, by conversation. It is this tab's alone, so that two tabs do not write over
 * each other: it outlives a reload and another conversation, and goes with the tab.
 */
import { MAX_QUESTION } from '../lib/conversation-limits.ts';

const KEY = 'blyan.drafts';
/** The key of what is typed before there is a conversation. */
export const NEW_CONVERSATION = 'new';

/** Conversations that somebody goes back to; the one that was typed in longest ago gives way. */
const MAX_DRAFTS = 20;
/** Of all together: the whole is written at each key, and a tab's storage has some millions. */
const MAX_CHARACTERS = 2 * MAX_QUESTION;

type Entry = [key: string, text: string];

const isEntry = (value: unknown): value is Entry =>
  Array.isArray(value) && value.length === 2 && value.every((part) => typeof part === 'string');

export class Drafts {
  /** The latest is last. */
  #texts: Map<string, string> | undefined;

  get(key: string): string {
    return this.#all().get(key) ?? '';
  }

  set(key: string, text: string): void {
    const texts = this.#all();
    texts.delete(key);
    if (text.trim() !== '') texts.set(key, text);
    this.#write();
  }

  /** Without ids, all of them. */
  forget(keys: readonly string[] = [...this.#all().keys()]): void {
    for (const key of keys) this.#all().delete(key);
    this.#write();
  }

  #all(): Map<string, string> {
    this.#texts ??= new Map(read());
    return this.#texts;
  }

  #write(): void {
    const texts = this.#all();
    let characters = 0;
    let count = 0;
    for (const [key, text] of [...texts].reverse()) {
      count += 1;
      characters += text.length;
      if (count > MAX_DRAFTS || characters > MAX_CHARACTERS) texts.delete(key);
    }
    try {
      if (texts.size === 0) sessionStorage.removeItem(KEY);
      else sessionStorage.setItem(KEY, JSON.stringify([...texts]));
    } catch {
      // Storage may be off, or full: drafts last as long as the page then.
    }
  }
}

function read(): Entry[] {
  try {
    const value: unknown = JSON.parse(sessionStorage.getItem(KEY) ?? '[]');
    return Array.isArray(value) ? value.filter(isEntry) : [];
  } catch {
    return [];
  }
}
