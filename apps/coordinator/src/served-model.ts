/** What the coordinator must know of a model to check, end and read answers of it. */
import type { BlockRef } from '@blyan/protocol/answer';
import type { Detokenizer, ThinkingTokens } from './answer-text.ts';
import type { PlanModel } from './planning/fleet.ts';

export interface ServedModel {
  /** Block hash of the model block, hex. */
  hash: string;
  name: string;
  /** Hash of chain A's genesis, hex. */
  genesis: string;
  block: BlockRef;
  /** In order: embedding, layers, norm, head. */
  layerBlocks: (BlockRef & { group: string })[];
  /** Rows of the embedding: ids are below. */
  vocab: number;
  layers: number;
  /** Positions of prompt and answer together. */
  context: number;
  stopTokens: ReadonlySet<number>;
  /** Null when the vocabulary has no tokens for it. */
  thinking: ThinkingTokens | null;
  /** What a plan of pipelines needs to know. */
  plan: PlanModel;
  /** A fresh one per answer. */
  detokenizer(): Detokenizer;
}

export interface Models {
  /** Rejects when the model cannot be read: unknown block, damaged files. */
  get(hash: string): Promise<ServedModel>;
  /** Block hash of the model that workers are to hold, hex; null while the chain has none. */
  wanted(): Promise<string | null>;
}
