/** What attention reads and writes: the type of the cache, and the names of inputs and outputs. */
import type { GraphBuilder } from './builder.ts';
import { ElementType } from './onnx.ts';

const F32 = ElementType.f32;

/** Type of the cached K and V; `f16` is rounded when a position is written, and widened when read. */
export type KvType = 'f32' | 'f16';

/**
 * Positions of one block of the past. A decode step sums over whole blocks and then over the last,
 * partly filled one, so that the order of the sums depends on the position alone: several positions
 * that are checked in one run get the bits that they would get one by one.
 */
export const RECENT = 32;

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
  /** bool: this run is a decode; bool: it is a check. Neither: a prefill. */
  decode: string;
  check: string;
  decoding: DecodeInputs;
  /** Of the one sequence of a check or prefill. */
  single: SlotInputs;
}

/** What attention over one past needs to know. */
export interface SlotInputs {
  /** f32, additive to the scores: hides the future and what fills up the last block. */
  mask: string;
  /** i64 [2]: columns of the scores that belong to the past, and the others. */
  lengths: string;
  /** Zeros [n, kvHeads, 1, D] that fill up the last block, of the cache's type. */
  filling: string;
}

export interface DecodeInputs {
  /** bool: more than one sequence. */
  many: string;
  /** bool, for each slot from 1 on: it is in use. Slots are used from 0 on. */
  used: string[];
  /** i64 [slots + 1]: 1 for a slot in use, else 0; and last the number of rows of padding. */
  rows: string;
  /** i64 [slots + 1]: kvHeads times that. */
  split: string;
  /** Zeros for the rows of padding, which belong to no sequence: [rows * kvHeads, G, 1, D]. */
  padding: string;
  slots: SlotInputs[];
}

/** The new positions, [T, kvHeads, 1, D] each: K and V as they are cached. */
export interface NewPositions {
  /** f32 [T, heads, 1, D]. */
  query: string;
  keys: string;
  values: string;
}

/** [P, kvHeads, 1, D], of the cache's type. */
export interface KeysValues {
  keys: string;
  values: string;
}

/** What a sequence has read, as it is cached. */
export interface Past extends KeysValues {
  /** The partly filled block behind it; a prefill has it in the past. */
  recent: KeysValues;
}

export const pastKey = (layer: number, slot: number) => `past.${layer}.${slot}.key`;
export const pastValue = (layer: number, slot: number) => `past.${layer}.${slot}.value`;
export const recentKey = (layer: number, slot: number) => `recent.${layer}.${slot}.key`;
export const recentValue = (layer: number, slot: number) => `recent.${layer}.${slot}.value`;
export const newKey = (layer: number) => `new.${layer}.key`;
export const newValue = (layer: number) => `new.${layer}.value`;

/** A cached tensor as f32, inside of a branch. */
export const widened = (g: GraphBuilder, name: string, kv: KvType): string =>
  kv === 'f16' ? g.op('Cast', `${name}.f32`, [name], { to: { int: F32 } }) : name;
