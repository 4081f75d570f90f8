/** What attention reads and writes: the type of the cache, and the names of inputs and outputs. */
import type { GraphBuilder } from './builder.ts';

/** Type of the cached K and V; `f16` is rounded when a position is written, and widened when read. */
export type KvType = 'f32' | 'f16';

/** Names of what all layers share. */
export interface AttentionInputs {
  /** f32 [T, D / 2]: rotation of each new position. */
  cos: string;
  sin: string;
  /** The same divided by sqrt(D), for the queries. */
  queryCos: string;
  querySin: string;
  /** i64 [T, 1]: 0 to T - 1, rows of those tables. */
  positions: string;
  /** bool: this run is a decode. */
  decode: string;
  decoding: DecodeInputs;
  prefilling: PrefillInputs;
}

export interface DecodeInputs {
  /** bool: more than one sequence. */
  many: string;
  /** bool, for each slot from 1 on: it is in use. Slots are used from 0 on. */
  used: string[];
  /** i64 [slots + 1]: kvHeads for a slot in use, else 0; and last, kvHeads for each row of padding. */
  split: string;
  /** Zeros for the rows of padding, which belong to no sequence: [rows * kvHeads, G, 1, D] and [.., 1]. */
  padding: { mixed: string; weight: string };
  /** i64 [2] for each slot: P and 1. */
  lengths: string[];
}

export interface PrefillInputs {
  /** f32, additive to the scores [S * G, P + S]: hides the future. */
  mask: string;
  /** i64 [2]: P and S. */
  lengths: string;
}

/** New K or V, f32: [T, kvHeads, 1, D] as it is cached. */
export interface NewPositions {
  query: string;
  keys: string;
  values: string;
}

export interface Past {
  keys: string;
  values: string;
}

export const pastKey = (layer: number, slot: number) => `past.${layer}.${slot}.key`;
export const pastValue = (layer: number, slot: number) => `past.${layer}.${slot}.value`;
export const newKey = (layer: number) => `new.${layer}.key`;
export const newValue = (layer: number) => `new.${layer}.value`;

/** A cached tensor as f32, inside of a branch. */
export const widened = (g: GraphBuilder, name: string, kv: KvType): string =>
  kv === 'f16' ? g.op('Cast', `${name}.f32`, [name], { to: { int: 1 } }) : name;
