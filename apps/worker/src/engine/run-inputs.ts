/** The small inputs of a run, which depend only on how many positions of which sequences there are. */
import { Tensor } from 'onnxruntime-node';

/** Far below any score, and finite: a row of sums with it never becomes NaN. */
const MASKED = -1e30;

const int64 = (values: number[], dims = [values.length]) =>
  new Tensor('int64', BigInt64Array.from(values, BigInt), dims);
const YES = new Tensor('bool', Uint8Array.of(1), []);
const NO = new Tensor('bool', Uint8Array.of(0), []);
const NONE = int64([0, 0]);
const rowNumbers = (count: number) =>
  int64(
    Array.from({ length: count }, (_, i) => i),
    [count, 1],
  );

/** Every small input in the state of not being used; the graph asks for all of them. */
function unused(slots: number): Record<string, Tensor> {
  const feeds: Record<string, Tensor> = {
    'decode.many': NO,
    'decode.split': int64(new Array<number>(slots).fill(0)),
    'prefill.mask': new Tensor('float32', new Float32Array(1), [1, 1]),
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
 * @param slots of the graph; each unused one costs a condition that is false
 */
export function decodeInputs(
  pasts: readonly number[],
  slots: number,
  kvHeads: number,
): Record<string, Tensor> {
  const used = pasts.length;
  const feeds: Record<string, Tensor> = {
    ...unused(slots),
    positions: rowNumbers(used),
    decode: YES,
    'decode.many': used > 1 ? YES : NO,
    'decode.split': int64(Array.from({ length: slots }, (_, i) => (i < used ? kvHeads : 0))),
  };
  pasts.forEach((past, slot) => {
    feeds[`decode.lengths.${slot}`] = int64([past, 1]);
    if (slot > 0) feeds[`decode.used.${slot}`] = YES;
  });
  return feeds;
}

/** @param groups query heads of each KV head */
export function prefillInputs(
  past: number,
  count: number,
  groups: number,
  slots: number,
): Record<string, Tensor> {
  const old = Math.max(1, past); // see KvCache.past
  const width = old + count;
  const mask = new Float32Array(groups * count * width);
  for (let row = 0; row < groups * count; row++) {
    const start = row * width;
    mask.fill(MASKED, start + past, start + old);
    mask.fill(MASKED, start + old + Math.floor(row / groups) + 1, start + width);
  }
  return {
    ...unused(slots),
    positions: rowNumbers(count),
    decode: NO,
    'prefill.mask': new Tensor('float32', mask, [groups * count, width]),
    'prefill.lengths': int64([old, count]),
  };
}
