/** What one event of `/chat/stream` does to the message that it belongs to. */
import type { ApiErrorBody, ChatStreamEvents } from '@blyan/protocol/api';
import type { ServerEvent } from './sse.ts';
import type { AssistantMessage, ChatProblem } from './types.ts';

export function newAnswer(id: string): AssistantMessage {
  return {
    role: 'assistant',
    id,
    text: '',
    thinking: '',
    status: 'waiting',
    phase: null,
    lastEventId: null,
    accepted: false,
    offline: false,
    tokens: 0,
    firstTokenAt: null,
    finishReason: null,
    usage: null,
    provenance: null,
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
