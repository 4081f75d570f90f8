import type { ApiUsage, ChatStreamEvents, FinishReason, Provenance } from '@blyan/protocol/api';

interface UserMessage {
  role: 'user';
  id: string;
  text: string;
}

export interface ChatProblem {
  code: string;
  message: string;
}

export interface AssistantMessage {
  role: 'assistant';
  /** Of the request: chosen here, so that asking again after a broken line gives the same answer. */
  id: string;
  text: string;
  thinking: string;
  status: 'waiting' | 'writing' | 'done' | 'failed';
  phase: ChatStreamEvents['phase'] | null;
  /** Where a reconnect goes on; belongs to `text` as it is here. */
  lastEventId: string | null;
  /** The server has taken the question in. */
  accepted: boolean;
  /** The line to the server is broken; trying again. */
  offline: boolean;
  tokens: number;
  /** Unix ms of the first token seen here, for the rate while it writes. */
  firstTokenAt: number | null;
  finishReason: FinishReason | null;
  usage: ApiUsage | null;
  provenance: Provenance | null;
  problem: ChatProblem | null;
}

export type Message = UserMessage | AssistantMessage;

export const isOpen = (message: Message | undefined): message is AssistantMessage =>
  message?.role === 'assistant' && (message.status === 'waiting' || message.status === 'writing');
