import type { ApiUsage, ChatStreamEvents, FinishReason, Provenance } from '@blyan/protocol/api';
import type { TreeNode } from '@/lib/tree';

export interface UserMessage extends TreeNode {
  role: 'user';
  text: string;
}

export interface ChatProblem {
  code: string;
  /** In the server's words. */
  message: string;
  /** Unix ms from which on asking again may help; absent where nobody has said. */
  retryAt?: number;
}

/** Tokens that were there at a time: what the rate while writing is made of. Unix ms. */
export interface Sample {
  since: number;
  at: number;
  tokens: number;
}

/** Without the address of the receipt for readers of a shared conversation. */
export type ShownProvenance = Omit<Provenance, 'receipt'> & { receipt: string | null };

export interface AssistantMessage extends TreeNode {
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
  /** By this page, since it was loaded. */
  askedHere: boolean;
  /** Unix ms at which this page asked; null where it did not see how long the first token took. */
  askedAt: number | null;
  firstTokenAt: number | null;
  samples: readonly Sample[];
  finishReason: FinishReason | null;
  usage: ApiUsage | null;
  provenance: ShownProvenance | null;
  /** Whether the probabilities of its tokens are kept; null when that is not known. */
  probabilities: boolean | null;
  problem: ChatProblem | null;
}

export type Message = UserMessage | AssistantMessage;

type Open = AssistantMessage & { status: 'waiting' | 'writing' };
export const isOpen = (message: Message | undefined): message is Open =>
  message?.role === 'assistant' && (message.status === 'waiting' || message.status === 'writing');

/** An answer that was refused, or never reached the server: nobody but this page knows it. */
type Unsent = AssistantMessage & { status: 'failed'; accepted: false };
export const isUnsent = (message: Message | undefined): message is Unsent =>
  message?.role === 'assistant' && message.status === 'failed' && !message.accepted;
