/** The small inputs of a run, which depend only on how many positions of which sequences there are. */
import { Tensor } from 'onnxruntime-node';

/** Far below any score, and finite: a row of sums with it never becomes NaN. */
const MASKED = -1e30;

const int64 = (values: number[], dims = [values.length]) =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
const zeros = (dims: number[]) =>
  new Tensor('float32', new Float32Array(dims.reduce((a, b) => a * b, 1)), dims);
const YES = new Tensor('bool', Uint8Array.of(1), []);
const NO = new Tensor('bool', Uint8Array.of(0), []);
const NONE = int64([0, 0]);
const rowNumbers = (count: number) =>
  int64(
    Array.from({ length: count }, (_, i) => i),
    [count, 1],
  );

/** What the small inputs depend on. */
export interface RunShape {
  /** Sequences that a decode of the graph can serve. */
  slots: number;
  kvHeads: number;
  /** Query heads of each KV head. */
  groups: number;
  headDim: number;
}

/** Every small input in the state of not being used; the graph asks for all of them. */
function unused({ slots, groups, headDim }: RunShape): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {
    'decode.many': NO,
    'decode.split': int64(new Array<number>(slots + 1).fill(0)),
    'decode.padding.mixed': zeros([0, groups, 1, headDim]),
    'decode.padding.weight': zeros([0, groups, 1, 1]),
    'prefill.mask': zeros([1, 1]),
    'prefill.lengths': NONE,
  };
  for (let slot = 0; slot < slots; slot++) {
    feeds[`decode.lengths.${slot}`] = NONE;
    if (slot > 0) feeds[`decode.used.${slot}`] = NO;
  }
  return feeds;
}

/**
 * @param pasts length of each sequence's past, at least 1
 * @param padding rows behind those of the sequences
 */
export function decodeInputs(
  pasts: readonly number[],
  padding: number,
  shape: RunShape,
): Record<string, Tensor> {
  const { slots, kvHeads, groups, headDim } = shape;
  const used = pasts.length;
  const split = Array.from({ length: slots }, (_, slot) => (slot < used ? kvHeads : 0));
  const feeds: Record<string, Tensor> = {
    ...unused(shape),
    positions: rowNumbers(used + padding),
    decode: YES,
    'decode.many': used > 1 ? YES : NO,
    'decode.split': int64([...split, padding * kvHeads]),
    'decode.padding.mixed': zeros([padding * kvHeads, groups, 1, headDim]),
    'decode.padding.weight': zeros([padding * kvHeads, groups, 1, 1]),
  };
  pasts.forEach((past, slot) => {
    feeds[`decode.lengths.${slot}`] = int64([past, 1]);
    if (slot > 0) feeds[`decode.used.${slot}`] = YES;
  });
  return feeds;
}

export function prefillInputs(
  past: number,
  count: number,
  shape: RunShape,
): Record<string, Tensor> {
  const { groups } = shape;
  const old = Math.max(1, past); // see KvCache.past
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
    decode: NO,
    'prefill.mask': new Tensor('float32', mask, [groups * count, width]),
    'prefill.lengths': int64([old, count]),
  };
}
