/** What a page and its verifying worker say to each other. Plain data: hashes are hex. */
import type { ChainId } from '@blyan/chain/types';
import type { WalkEvent } from '@blyan/chain/walk';

/** `Target` of packages/chain's walk. */
export type WalkTarget =
  | { kind: 'block'; chain: ChainId; hash: string }
  | { kind: 'tensor'; root: string; block?: string; chunk?: number }
  | { kind: 'model'; model: string }
  | { kind: 'chains' };

export type KeptCheckpoints = Partial<Record<ChainId, Uint8Array>>;

export interface WalkRequest {
  /** All that is trusted. */
  genesis: string;
  /** Address of the main node. */
  base: string;
  target: WalkTarget;
  kept: KeptCheckpoints;
}

export type WalkReply =
  | { kind: 'events'; events: WalkEvent[] }
  /** An error that is no failed step: of this code, not of the node. */
  | { kind: 'crashed'; message: string };
