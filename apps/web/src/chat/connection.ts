/** Holds the line to one answer: asks, reads, and comes back for the rest when the line breaks. */
import { KEEP_ALIVE_MS } from '../lib/keep-alive.ts';
import { failed, problemOf } from './reduce.ts';
import { readEvents, type ServerEvent } from './sse.ts';
import { type AssistantMessage, type ChatProblem, isOpen } from './types.ts';

/** Pauses between tries; the last one repeats until the reader gives up. */
const PAUSES_MS = [300, 1000, 2000, 4000, 8000];
/**
 * A line on which not even the server's comments come is broken, though nobody has said so: a network
 * that has changed, a computer that slept, a proxy that forgot. Three of them may get lost or be late.
 */
const SILENCE_MS = 3 * KEEP_ALIVE_MS;
/** Statuses of something on the way that is not there right now. */
const TRY_AGAIN = new Set([429, 502, 504]);
/** Refusals in a row, about five minutes of them: as long as an answer may take by default. */
const MAX_REFUSALS = 40;

/** What has to be put right by somebody; a server that fails otherwise may work at the next try. */
const NEEDS_SOMEBODY = /^(no_|model_|coordinator_unavailable$|queue_full$)/;

/** The server does not take the question. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly problem: ChatProblem;
  /** It failed, rather than that it has read the question and says no: asking again may help. */
  readonly passes: boolean;

  constructor(problem: ChatProblem, status: number) {
    super(problem.message);
    this.problem = problem;
    this.passes = status >= 500 && !NEEDS_SOMEBODY.test(problem.code);
  }
}

/** Whether an answer that was taken in may still be there behind a refused line: it goes on alone. */
export const triesAgain = (status: number, refusals: number): boolean =>
  refusals < MAX_REFUSALS && (TRY_AGAIN.has(status) || status >= 500);

export interface Line {
  /** The message as it is now. */
  current(): AssistantMessage;
  /** Asks; twice is once. @throws Refusal; anything else is a broken line */
  ask(signal: AbortSignal): Promise<void>;
  event(event: ServerEvent): void;
  update(message: AssistantMessage): void;
  /** Whether anybody reads the answer now. A question is asked in any case. */
  isRead(): boolean;
  signal: AbortSignal;
}

/** Resolves when the answer has ended, one way or the other, when nobody reads it, or the signal aborts. */
export async function holdLine(line: Line): Promise<void> {
  const { signal } = line;
  let refusals = 0;
  for (let broken = 0; !signal.aborted; broken++) {
    const before = line.current().lastEventId;
    const watch = watchSilence(signal);
    try {
      if (!line.current().accepted) {
        await line.ask(watch.signal);
        if (signal.aborted) return;
        line.update({ ...line.current(), accepted: true, offline: false });
      }
      if (!line.isRead()) return;
      watch.heard();
      const response = await open(line.current(), watch.signal);
      if (!response.ok || !response.body) {
        refusals += 1;
        if (!triesAgain(response.status, refusals)) {
          const body = await response.json().catch(() => null);
          line.update(failed(line.current(), problemOf(body)));
          return;
        }
      } else {
        refusals = 0;
        for await (const event of readEvents(response.body, watch.heard)) {
          if (signal.aborted) return;
          line.event(event);
          if (!isOpen(line.current())) return;
        }
      }
    } catch (error) {
      // The network broke, here or at the server: nothing is lost, the answer goes on there.
      if (signal.aborted) return;
      if (error instanceof Refusal) {
        refusals += 1;
        if (!error.passes || refusals >= MAX_REFUSALS) {
          line.update(failed(line.current(), error.problem));
          return;
        }
      }
    } finally {
      watch.end();
    }
    if (line.current().lastEventId !== before) broken = 0;
    if (signal.aborted) return;
    line.update({ ...line.current(), offline: true });
    await pause(PAUSES_MS[Math.min(broken, PAUSES_MS.length - 1)] ?? 8000, signal);
  }
}

const open = ({ id, lastEventId }: AssistantMessage, signal: AbortSignal): Promise<Response> =>
  fetch(`/chat/stream?id=${encodeURIComponent(id)}`, {
    headers: lastEventId ? { 'last-event-id': lastEventId } : {},
    signal,
  });

export const cancelAnswer = (id: string) =>
  fetch(`/chat/${encodeURIComponent(id)}/cancel`, { method: 'POST' });

/**
 * A signal that also aborts when nothing has been heard for too long, or when the browser says that
 * the network is gone: lines that were open stay open then, and silent.
 */
function watchSilence(outer: AbortSignal) {
  const controller = new AbortController();
  const abort = () => controller.abort();
  outer.addEventListener('abort', abort);
  globalThis.addEventListener?.('offline', abort);
  let timer = setTimeout(abort, SILENCE_MS);
  return {
    signal: controller.signal,
    heard() {
      clearTimeout(timer);
      timer = setTimeout(abort, SILENCE_MS);
    },
    end() {
      clearTimeout(timer);
      outer.removeEventListener('abort', abort);
      globalThis.removeEventListener?.('offline', abort);
    },
  };
}

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      globalThis.removeEventListener?.('online', end);
      resolve();
    };
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    globalThis.addEventListener?.('online', end);
  });
}
