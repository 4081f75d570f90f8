/** What one event of `/chat/stream` does to the message that it belongs to. */
import type { ApiErrorBody, ChatStreamEvents } from '@blyan/protocol/api';
import type { ServerEvent } from './sse.ts';
import type { AssistantMessage, ChatProblem, Sample } from './types.ts';

/** Tokens that arrive within this time are one sample: a replay arrives all at once. */
const SAMPLE_MS = 250;
/** The rate while writing is that of the last seconds. */
const WINDOW_MS = 4000;

export function newAnswer(id: string, parent: string | null): AssistantMessage {
  return {
    role: 'assistant',
    id,
    parent,
    text: '',
    thinking: '',
    status: 'waiting',
    phase: null,
    lastEventId: null,
    accepted: false,
    offline: false,
    tokens: 0,
    askedHere: false,
    askedAt: null,
    firstTokenAt: null,
    samples: [],
    finishReason: null,
    usage: null,
    provenance: null,
    probabilities: null,
    problem: null,
  };
}

export function applyEvent(
  message: AssistantMessage,
  event: ServerEvent,
  now: number,
): AssistantMessage {
  const next = { ...message, offline: false, lastEventId: event.id ?? message.lastEventId };
  switch (event.event) {
    case 'start':
      return { ...next, accepted: true };
    case 'phase':
      return { ...next, phase: JSON.parse(event.data) as ChatStreamEvents['phase'] };
    case 'token': {
      const token = JSON.parse(event.data) as ChatStreamEvents['token'];
      return {
        ...next,
        status: 'writing',
        phase: null,
        text: token.replace ? token.text : next.text + token.text,
        thinking: token.replace ? (token.thinking ?? '') : next.thinking + (token.thinking ?? ''),
        tokens: token.position + token.count,
        samples: sampled(next.samples, token.position + token.count, now),
        firstTokenAt: next.firstTokenAt ?? now,
      };
    }
    case 'done': {
      const done = JSON.parse(event.data) as ChatStreamEvents['done'];
      return {
        ...next,
        status: 'done',
        phase: null,
        text: next.text + done.text,
        finishReason: done.finish_reason,
        usage: done.usage,
        provenance: done.provenance,
      };
    }
    case 'error':
      return failed(next, problemOf(JSON.parse(event.data)));
    default:
      return next;
  }
}

function sampled(samples: readonly Sample[], tokens: number, now: number): readonly Sample[] {
  const last = samples.at(-1);
  if (last && now - last.since < SAMPLE_MS)
    return [...samples.slice(0, -1), { ...last, at: now, tokens }];
  const recent = samples.filter(({ at }) => now - at < WINDOW_MS);
  return [...recent, { since: now, at: now, tokens }];
}

/**
 * Tokens per second of the last seconds before `now` (Unix ms): it falls while nothing arrives. Null
 * before there is anything to tell, and when nothing is left of it.
 */
export function rateOf(samples: readonly Sample[], now: number): number | null {
  const recent = samples.filter(({ at }) => now - at < WINDOW_MS);
  const [first, last] = [recent[0], recent.at(-1)];
  if (!first || !last || last.at <= first.at) return null;
  return ((last.tokens - first.tokens) * 1000) / (Math.max(now, last.at) - first.at);
}

export function failed(message: AssistantMessage, problem: ChatProblem): AssistantMessage {
  return { ...message, status: 'failed', phase: null, offline: false, problem };
}

export function problemOf(body: unknown): ChatProblem {
  const error = (body as Partial<ApiErrorBody> | null)?.error;
  return {
    code: error?.code ?? 'unknown',
    message: error?.message ?? 'The server answered in a way that this page does not understand.',
  };
}
