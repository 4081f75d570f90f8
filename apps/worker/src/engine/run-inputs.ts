/** The small inputs of a run, which depend only on how many positions of which sequences there are. */
import { type KvType, RECENT } from '@blyan/model/stage/attention-io';
import { Tensor } from 'onnxruntime-node';

/** Far below any score, and finite: a row of sums with it never becomes NaN. */
const MASKED = -1e30;

/** What the small inputs depend on. */
export interface RunShape {
  /** Sequences that a decode of the graph can serve. */
  slots: number;
  kvHeads: number;
  /** Query heads of each KV head. */
  groups: number;
  headDim: number;
  kv: KvType;
}

type Feeds = Record<string, Tensor>;

const int64 = (values: number[], dims = [values.length]) =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
const floats = (values: Float32Array, dims: number[]) => new Tensor('float32', values, dims);
const YES = new Tensor('bool', Uint8Array.of(1), []);
const NO = new Tensor('bool', Uint8Array.of(0), []);
const NONE = int64([0, 0]);
const rowNumbers = (count: number) =>
  int64(
    Array.from({ length: count }, (_, i) => i),
    [count, 1],
  );

function filling(positions: number, { kvHeads, headDim, kv }: RunShape): Tensor {
  const count = positions * kvHeads * headDim;
  const dims = [positions, kvHeads, 1, headDim];
  return kv === 'f16'
    ? new Tensor('float16', new Uint16Array(count), dims)
    : floats(new Float32Array(count), dims);
}

/** Every small input in the state of not being used; the graph asks for all of them. */
function unused(shape: RunShape): Feeds {
  const { slots, groups, headDim } = shape;
  const zeros = new Array<number>(slots + 1).fill(0);
  const feeds: Feeds = {
    decode: NO,
    check: NO,
    'decode.many': NO,
    'decode.rows': int64(zeros),
    'decode.split': int64(zeros),
    'decode.padding': floats(new Float32Array(0), [0, groups, 1, headDim]),
    ...unusedPast('single', [1, 1, 1], shape),
  };
  for (let slot = 0; slot < slots; slot++) {
    Object.assign(feeds, unusedPast(`slot.${slot}`, [1], shape));
    if (slot > 0) feeds[`decode.used.${slot}`] = NO;
  }
  return feeds;
}

const unusedPast = (name: string, dims: number[], shape: RunShape): Feeds => ({
  [`${name}.mask`]: floats(new Float32Array(1), dims),
  [`${name}.lengths`]: NONE,
  [`${name}.filling`]: filling(0, shape),
});

/** Where the partly filled block begins that the next position belongs to. */
export const recentStart = (past: number): number => past - (past % RECENT);

/** Room that is left in that block: so many positions can be checked in one run. */
export const recentRoom = (past: number): number => RECENT - (past % RECENT);

/** Of `count` new positions behind `past`: whole blocks, or one masked position, then the last block. */
function pastInputs(name: string, past: number, count: number, shape: RunShape): Feeds {
  const { groups } = shape;
  const start = recentStart(past);
  const old = Math.max(1, start); // see KvCache.view
  const width = old + RECENT;
  const known = past - start;
  const rows = count === 1 ? 1 : groups * count;
  const mask = new Float32Array(rows * width);
  for (let row = 0; row < rows; row++) {
    const at = row * width;
    mask.fill(MASKED, at + start, at + old);
    const visible = known + (count === 1 ? 1 : Math.floor(row / groups) + 1);
    mask.fill(MASKED, at + old + visible, at + width);
  }
  return {
    [`${name}.mask`]: floats(mask, count === 1 ? [width] : [rows, 1, width]),
    [`${name}.lengths`]: int64([old, RECENT]),
    [`${name}.filling`]: filling(RECENT - known - count, shape),
  };
}

/**
 * @param pasts length of each sequence's past
 * @param padding rows behind those of the sequences
 */
export function decodeInputs(pasts: readonly number[], padding: number, shape: RunShape): Feeds {
  const { slots, kvHeads, groups, headDim } = shape;
  const used = pasts.length;
  const rows = Array.from({ length: slots }, (_, slot): number => (slot < used ? 1 : 0));
  rows.push(padding);
  const zeros = new Float32Array(padding * kvHeads * groups * headDim);
  const feeds: Feeds = {
    ...unused(shape),
    positions: rowNumbers(used + padding),
    decode: YES,
    'decode.many': used > 1 ? YES : NO,
    'decode.rows': int64(rows),
    'decode.split': int64(rows.map((count) => count * kvHeads)),
    'decode.padding': floats(zeros, [padding * kvHeads, groups, 1, headDim]),
  };
  pasts.forEach((past, slot) => {
    Object.assign(feeds, pastInputs(`slot.${slot}`, past, 1, shape));
    if (slot > 0) feeds[`decode.used.${slot}`] = YES;
  });
  return feeds;
}

/** @param count at least 2, at most recentRoom(past) */
export function checkInputs(past: number, count: number, shape: RunShape): Feeds {
  return {
    ...unused(shape),
    ...pastInputs('single', past, count, shape),
    positions: rowNumbers(count),
    check: YES,
  };
}

export function prefillInputs(past: number, count: number, shape: RunShape): Feeds {
  const { groups } = shape;
  const old = Math.max(1, past); // see KvCache.view
  const width = old + count;
  const mask = new Float32Array(groups * count * width);
  for (let row = 0; row < groups * count; row++) {
    const start = row * width;
    mask.fill(MASKED, start + past, start + old);
    mask.fill(MASKED, start + old + Math.floor(row / groups) + 1, start + width);
  }
  return {
    ...unused(shape),
    positions: rowNumbers(count),
    'single.mask': floats(mask, [1, groups * count, width]),
    'single.lengths': int64([old, count]),
  };
}
