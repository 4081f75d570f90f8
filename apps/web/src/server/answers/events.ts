/** Answers as the events of `/chat/stream`. One JSON.stringify an event is all the work. */
import type { AnswerEvent } from '@blyan/protocol/answer';
import type { ChatStreamEvents } from '@blyan/protocol/api';
import type { AnswerEntry } from '@blyan/queue/answer-reader';
import { encodeSse } from '../http/sse.ts';
import { answerFailure } from './failure.ts';
import { rowError } from './follow.ts';
import { apiUsage, provenanceOf } from './provenance.ts';
import type { AnswerRow } from './row.ts';

export function encodeEvent<K extends keyof ChatStreamEvents>(
  event: K,
  data: ChatStreamEvents[K],
  id?: string,
): string {
  return encodeSse({ event, data: JSON.stringify(data), ...(id ? { id } : {}) });
}

/** One entry of the canonical stream. */
export function encodeEntry(requestId: string, { id, event }: AnswerEntry): string {
  return eventOf(requestId, event, id);
}

function eventOf(requestId: string, event: AnswerEvent, id: string): string {
  switch (event.type) {
    case 'tokens': {
      const { position, text, thinking } = event;
      const data = { position, count: event.tokens.length, text };
      return encodeEvent('token', thinking ? { ...data, thinking } : data, id);
    }
    case 'phase': {
      const { phase, ahead, done, total, reason } = event;
      return encodeEvent(
        'phase',
        { phase, ahead, done, total, reason } as ChatStreamEvents['phase'],
        id,
      );
    }
    case 'attempt':
      return encodeEvent('phase', { phase: 'retry', reason: event.reason }, id);
    case 'finish':
      return encodeEvent(
        'done',
        {
          id: requestId,
          text: event.text,
          finish_reason: event.reason,
          usage: apiUsage(event.usage),
          provenance: provenanceOf(event.receipt),
        },
        id,
      );
    case 'error':
      return encodeEvent('error', answerFailure(event).body, id);
  }
}

/** An answer of which only the row is left. */
export function encodeRow(row: AnswerRow): string {
  if (!row.receipt) return encodeEvent('error', answerFailure(rowError(row)).body);
  const { usage, finishReason } = row.receipt;
  const whole = { position: 0, count: usage.completionTokens, text: row.text ?? '', replace: true };
  return (
    encodeEvent('token', row.thinking ? { ...whole, thinking: row.thinking } : whole) +
    encodeEvent('done', {
      id: row.id,
      text: '',
      finish_reason: finishReason,
      usage: apiUsage(usage),
      provenance: provenanceOf(row.receipt),
    })
  );
}
