/** One conversation: its messages, what can be done with them, and how it outlives a refresh. */
import { cancelAnswer, holdLine, type Turn } from './connection.ts';
import { applyEvent, failed, newAnswer } from './reduce.ts';
import { type AssistantMessage, isOpen, type Message } from './types.ts';

const STORAGE_KEY = 'blyan.conversation.v1';
/** Written at most this often while an answer streams, and when the page goes away. */
const SAVE_MS = 250;

export class Conversation {
  #messages: readonly Message[] = [];
  #listeners = new Set<() => void>();
  #line: AbortController | undefined;
  #notifying = false;
  /** An answer that is to be stopped before the server has taken its question in. */
  #stopWhenAccepted: string | undefined;
  #saving: ReturnType<typeof setTimeout> | undefined;
  readonly #storage: Storage;

  constructor({ storage }: { storage: Storage }) {
    this.#storage = storage;
  }

  get messages(): readonly Message[] {
    return this.#messages;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Reads what the last page left and goes on with an answer that was being written. */
  open(): void {
    this.#messages = load(this.#storage);
    const last = this.#messages.at(-1);
    if (isOpen(last)) this.#follow(last.id);
    this.#notify();
  }

  /** Lets go of the line; the answer goes on at the server. */
  close(): void {
    this.#line?.abort();
    this.save();
  }

  send(text: string): void {
    if (isOpen(this.#messages.at(-1)) || text.trim() === '') return;
    this.#messages = [...this.#messages, { role: 'user', id: newId(), text }, newAnswer(newId())];
    this.#begin();
  }

  /** Asks the last question again, for another answer. */
  regenerate(): void {
    const last = this.#messages.at(-1);
    if (last?.role !== 'assistant' || isOpen(last)) return;
    this.#messages = [...this.#messages.slice(0, -1), newAnswer(newId())];
    this.#begin();
  }

  /** Stops the worker; what was written stays. */
  async stop(): Promise<void> {
    const last = this.#messages.at(-1);
    if (!isOpen(last)) return;
    // The server does not know the question yet, and could only say so: as soon as it does.
    if (!last.accepted && !last.offline) {
      this.#stopWhenAccepted = last.id;
      return;
    }
    try {
      const response = await cancelAnswer(last.id);
      // The end comes through the stream, with the receipt.
      if (response.ok) return;
    } catch {
      // Nobody is there to stop; stop waiting at least.
    }
    this.#line?.abort();
    const message = 'Stopped here, but the server could not be told.';
    this.#replace(last.id, (m) => failed(m, { code: 'stopped_offline', message }));
    this.save();
  }

  clear(): void {
    const last = this.#messages.at(-1);
    if (isOpen(last)) cancelAnswer(last.id).catch(() => undefined);
    this.#line?.abort();
    this.#messages = [];
    this.save();
    this.#notify();
  }

  save = (): void => {
    clearTimeout(this.#saving);
    this.#saving = undefined;
    try {
      this.#storage.setItem(STORAGE_KEY, JSON.stringify(this.#messages));
    } catch {
      // Storage is full or forbidden: the conversation works, it just does not outlive the page.
    }
  };

  #begin(): void {
    this.save();
    this.#notify();
    const last = this.#messages.at(-1);
    if (last) this.#follow(last.id);
  }

  #follow(id: string): void {
    this.#line?.abort();
    const line = new AbortController();
    this.#line = line;
    const current = () => this.#messages.find((m) => m.id === id) as AssistantMessage;
    holdLine(turnsBefore(this.#messages, id), {
      signal: line.signal,
      current,
      event: (event) => this.#replace(id, (m) => applyEvent(m, event, Date.now())),
      update: (message) => this.#replace(id, () => message),
    }).finally(() => {
      if (this.#line === line && !line.signal.aborted) this.save();
    });
  }

  #replace(id: string, change: (message: AssistantMessage) => AssistantMessage): void {
    this.#messages = this.#messages.map((m) =>
      m.id === id && m.role === 'assistant' ? change(m) : m,
    );
    this.#saving ??= setTimeout(this.save, SAVE_MS);
    this.#notify();
    const last = this.#messages.at(-1);
    if (this.#stopWhenAccepted !== id || !isOpen(last) || !last.accepted) return;
    this.#stopWhenAccepted = undefined;
    void this.stop();
  }

  /** Once a frame: several tokens arrive between two paints. Hidden pages have no frames. */
  #notify(): void {
    if (this.#notifying) return;
    this.#notifying = true;
    const notify = () => {
      this.#notifying = false;
      for (const listener of this.#listeners) listener();
    };
    if (document.visibilityState === 'visible') requestAnimationFrame(notify);
    else setTimeout(notify);
  }
}

/** The turns that a question was asked with; answers that failed are not part of it. */
function turnsBefore(messages: readonly Message[], id: string): Turn[] {
  const turns: Turn[] = [];
  for (const message of messages) {
    if (message.id === id) break;
    if (message.text !== '') turns.push({ role: message.role, content: message.text });
    // A question without an answer would stand before the next question.
    else if (message.role === 'assistant') turns.pop();
  }
  return turns;
}

function load(storage: Storage): Message[] {
  try {
    const value: unknown = JSON.parse(storage.getItem(STORAGE_KEY) ?? '[]');
    return Array.isArray(value)
      ? (value as Message[]).filter((m) => typeof m?.id === 'string')
      : [];
  } catch {
    return [];
  }
}

/** 144 random bits: knowing an id is the right to read its answer. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(18));
  return btoa(String.fromCharCode(...bytes))
    .replaceAll('+', '-')
    .replaceAll('/', '_');
}
