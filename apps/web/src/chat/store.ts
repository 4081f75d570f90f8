/**
 * One conversation in this page: its tree of messages, what can be done with them, and the lines to
 * answers that are being written. The truth is the server's; this is what the page has of it.
 */
import type { AskInput, ConversationSettings } from '@/lib/conversation';
import { leafUnder, pathTo } from '@/lib/tree';
import type { ConversationView } from './api-types.ts';
import { cancelAnswer, holdLine } from './connection.ts';
import { fromView } from './from-view.ts';
import { newId } from './new-id.ts';
import { applyEvent, failed, newAnswer } from './reduce.ts';
import { type Snapshot, snapshotOf } from './snapshot.ts';
import {
  type AssistantMessage,
  isOpen,
  isUnsent,
  type Message,
  type UserMessage,
} from './types.ts';

export interface ConversationDeps {
  /** @throws Refusal */
  ask(input: AskInput, signal: AbortSignal): Promise<void>;
  /** Null when this browser has no such conversation. */
  read(id: string): Promise<ConversationView | null>;
  select(id: string, head: string): Promise<void>;
  /** Something of it has changed that lists and other tabs show. */
  changed(id: string): void;
}

export class Conversation {
  readonly id: string;
  readonly #deps: ConversationDeps;
  #state: Snapshot['state'];
  #title = '';
  #shareToken: string | null = null;
  #settings: ConversationSettings = {};
  #nodes = new Map<string, Message>();
  #head: string | null = null;
  #snapshot: Snapshot | undefined;
  #listeners = new Set<() => void>();
  #notifying = false;
  readonly #lines = new Map<string, AbortController>();
  #shown = false;
  /** Answers that are to be stopped before the server has taken their question in. */
  readonly #stopWhenAccepted = new Set<string>();

  /** `fresh`: nobody knows it before its first question. */
  constructor(id: string, { fresh }: { fresh: boolean }, deps: ConversationDeps) {
    this.id = id;
    this.#deps = deps;
    this.#state = fresh ? 'ready' : 'loading';
  }

  get snapshot(): Snapshot {
    this.#snapshot ??= snapshotOf({
      state: this.#state,
      title: this.#title,
      shareToken: this.#shareToken,
      settings: this.#settings,
      nodes: this.#nodes,
      head: this.#head,
    });
    return this.#snapshot;
  }

  subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Reads what the server has, and follows what is being written there. */
  async refresh(): Promise<void> {
    // A new one is not there yet; and what is asked right now is about to be.
    if (this.#state === 'ready' && [...this.#nodes.values()].every((node) => this.#isOwn(node)))
      return;
    try {
      const view = await this.#deps.read(this.id);
      if (!view) return this.gone();
      this.#take(view);
    } catch {
      if (this.#state === 'loading') this.#state = 'failed';
    }
    this.#notify();
  }

  /** Whether the server may not know it yet. */
  #isOwn = (node: Message): boolean => node.role === 'user' || !node.accepted;

  #take(view: ConversationView): void {
    const nodes = new Map<string, Message>();
    for (const message of view.messages) {
      const known = this.#nodes.get(message.id);
      const keep = known && (isOpen(known) || known.role === 'user');
      nodes.set(message.id, keep ? known : fromView(message));
    }
    for (const [id, node] of this.#nodes) if (!nodes.has(id)) nodes.set(id, node);
    this.#nodes = nodes;
    this.#title = view.title;
    this.#shareToken = view.shareToken;
    if (this.#state !== 'ready') this.#settings = view.settings;
    this.#state = 'ready';
    // Another tab went on where this one is; a branch that the reader chose here stays.
    const path = pathTo(nodes, view.head);
    if (this.#head === null || path.some(({ id }) => id === this.#head)) this.#head = view.head;
    this.#followOpen();
  }

  /**
   * Whether it is on a screen. Lines are held for that alone: a browser opens six connections to a host
   * over HTTP/1.1, for all its tabs together, and with six lines nothing else of the site would load.
   */
  show(shown: boolean): void {
    if (shown === this.#shown) return;
    this.#shown = shown;
    if (shown) {
      this.#followOpen();
      return;
    }
    for (const [id, line] of this.#lines) {
      const answer = this.#get(id);
      // A question that is on its way gets there first.
      if (!isOpen(answer) || !answer.accepted) continue;
      line.abort();
      this.#lines.delete(id);
    }
  }

  #followOpen(): void {
    if (!this.#shown) return;
    for (const node of [...this.#nodes.values()]) {
      if (!isOpen(node) || !node.accepted || this.#lines.has(node.id)) continue;
      if (node.firstTokenAt === null) this.#replace(node.id, (m) => ({ ...m, askedAt: null }));
      this.#follow(node.id);
    }
  }

  /** Lets go of the lines; answers go on at the server. */
  close(): void {
    for (const line of this.#lines.values()) line.abort();
    this.#lines.clear();
  }

  /** It was deleted, here or in another tab: nothing of it stays on the screen. */
  gone(): void {
    this.close();
    this.#state = 'missing';
    this.#nodes.clear();
    this.#head = null;
    this.#title = '';
    this.#notify();
  }

  // What a reader does

  send(text: string): void {
    if (isOpen(this.#last()) || text.trim() === '') return;
    // Behind a question that never got through, the new one takes its place.
    let parent = this.#head;
    for (let node = this.#last(); isUnsent(node); node = this.#get(parent)) {
      const question = this.#get(node.parent);
      parent = question?.role === 'user' ? question.parent : node.parent;
    }
    this.#ask({ role: 'user', id: newId(), parent, text: text.trim() });
  }

  /** Another question in the place of one: a branch. */
  edit(id: string, text: string): void {
    const question = this.#get(id);
    if (question?.role !== 'user' || isOpen(this.#last()) || text.trim() === '') return;
    this.#ask({ role: 'user', id: newId(), parent: question.parent, text: text.trim() });
  }

  /** Asks the question of an answer again, for another answer; the one that there is stays. */
  regenerate(id: string): void {
    if (isOpen(this.#last())) return;
    const path = pathTo(this.#nodes, id);
    const answer = this.#get(id);
    if (isUnsent(answer) && this.#get(answer.parent)?.role === 'assistant') {
      this.#nodes.delete(id);
      this.goOn(answer.parent ?? '');
      return;
    }
    const question = path.findLast((node) => node.role === 'user') as UserMessage | undefined;
    if (!question) return;
    if (isUnsent(answer)) this.#nodes.delete(id);
    this.#begin(newAnswer(newId(), question.id), question);
  }

  /** Goes on with an answer where it was cut. */
  goOn(id: string): void {
    if (!isOpen(this.#last())) this.#begin(newAnswer(newId(), id), null);
  }

  /** Shows the branch of a message. */
  select(id: string): void {
    this.#head = leafUnder(this.#nodes, id);
    this.#notify();
    const node = this.#get(this.#head);
    if (!isUnsent(node)) this.#deps.select(this.id, this.#head).catch(() => undefined);
  }

  /** Shown at once: a field that waits for a frame loses what is typed meanwhile. */
  set(settings: ConversationSettings): void {
    this.#settings = settings;
    this.#tell();
  }

  /** What the server has been told already. */
  told(what: { title?: string; shareToken?: string | null }): void {
    if (what.title !== undefined) this.#title = what.title;
    if (what.shareToken !== undefined) this.#shareToken = what.shareToken;
    this.#notify();
    this.#deps.changed(this.id);
  }

  /** Stops the worker; what was written stays. */
  async stop(): Promise<void> {
    const last = this.#last();
    if (!isOpen(last)) return;
    const { id } = last;
    // The server does not know the question yet, and could only say so: as soon as it does.
    if (!last.accepted && !last.offline) {
      this.#stopWhenAccepted.add(id);
      return;
    }
    try {
      const response = await cancelAnswer(id);
      // The end comes through the stream, with the receipt.
      if (response.ok) return;
    } catch {
      // Nobody is there to stop; stop waiting at least.
    }
    this.#lines.get(id)?.abort();
    const message = 'Stopped here, but the server could not be told.';
    this.#replace(id, (m) => failed(m, { code: 'stopped_offline', message }));
  }

  // Inside

  #get = (id: string | null): Message | undefined =>
    id === null ? undefined : this.#nodes.get(id);
  #last = (): Message | undefined => this.#get(this.#head);

  #ask(question: UserMessage): void {
    this.#nodes.set(question.id, question);
    this.#begin(newAnswer(newId(), question.id), question);
  }

  #begin(answer: AssistantMessage, question: UserMessage | null): void {
    this.#nodes.set(answer.id, { ...answer, askedHere: true, askedAt: Date.now() });
    this.#head = answer.id;
    this.#notify();
    this.#follow(answer.id, question);
  }

  #follow(id: string, question: UserMessage | null = null): void {
    if (this.#lines.has(id)) return;
    const line = new AbortController();
    this.#lines.set(id, line);
    holdLine({
      signal: line.signal,
      isRead: () => this.#shown,
      current: () => this.#nodes.get(id) as AssistantMessage,
      ask: async (signal) => {
        const settings = this.#settings;
        // One that the server has already is only named: its answers are alternatives.
        const parent = question ? question.parent : (this.#get(id)?.parent ?? null);
        const asked = question && { id: question.id, text: question.text };
        const input = { conversation: this.id, parent, question: asked, answer: id, settings };
        await this.#deps.ask(input, signal);
        this.#replace(id, (m) => ({ ...m, probabilities: settings.probabilities === true }));
        if (question && this.#title === '') this.#title = question.text;
        this.#deps.changed(this.id);
      },
      event: (event) => this.#replace(id, (m) => applyEvent(m, event, Date.now())),
      update: (message) => this.#replace(id, () => message),
    }).finally(() => {
      if (this.#lines.get(id) === line) this.#lines.delete(id);
    });
  }

  #replace(id: string, change: (message: AssistantMessage) => AssistantMessage): void {
    const node = this.#nodes.get(id);
    if (node?.role !== 'assistant') return;
    const next = change(node);
    this.#nodes.set(id, next);
    this.#notify();
    if (this.#stopWhenAccepted.has(id) && isOpen(next) && next.accepted) {
      this.#stopWhenAccepted.delete(id);
      void this.stop();
    }
  }

  /** Once a frame: several tokens arrive between two paints. Hidden pages have no frames. */
  #notify(): void {
    if (this.#notifying) return;
    this.#notifying = true;
    const notify = () => {
      this.#notifying = false;
      this.#tell();
    };
    if (document.visibilityState === 'visible') requestAnimationFrame(notify);
    else setTimeout(notify);
  }

  #tell(): void {
    this.#snapshot = undefined;
    for (const listener of this.#listeners) listener();
  }
}
