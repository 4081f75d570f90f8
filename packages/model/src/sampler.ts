/**
 * One token from logits. Counter-based Gumbel-max: the token with the largest
 *
 *   logit / temperature - ln(-ln(u)),   u = noise(seed, position, token) in (0, 1)
 *
 * is an exact draw from the softmax, and each token's noise depends on nothing but (seed, position,
 * token id). So a replay draws the same token, tiny differences in logits change it only near a tie,
 * and an audit can see by how much the winner won. Filters, in this order: top_k over logits; top_p
 * and min_p over the softmax of the kept logits at the temperature.
 *
 * Noise: 32 bits by integer operations, so that every machine draws the same. With mix the public
 * domain finalizer "lowbias32" (x ^= x >>> 16, x *= 0x7feb352d, x ^= x >>> 15, x *= 0x846ca68b,
 * x ^= x >>> 16) and the seed as high * 2^32 + low:
 *
 *   key1 = mix(low ^ mix(position + 0x9e3779b9))
 *   key2 = mix(key1 ^ mix(high + 0x7f4a7c15))
 *   bits = mix(key2 ^ mix(key1 ^ token)),   u = (bits + 1/2) / 2^32
 *
 * Vectors: vectors/sampler.json.
 */

/** What draws one token; penalties and bias are in sampler-state.ts. */
export interface DrawParams {
  /** 0 is greedy, and so is what is below MIN_TEMPERATURE. */
  temperature: number;
  /** 0 is off. */
  topK: number;
  /** 1 is off. */
  topP: number;
  /** 0 is off. */
  minP: number;
  /** Integer, 0 to 2^53 - 1. */
  seed: number;
}

function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

interface NoiseKey {
  key1: number;
  key2: number;
}

function noiseKey(seed: number, position: number): NoiseKey {
  const low = seed >>> 0;
  const high = Math.floor(seed / 0x1_0000_0000);
  const key1 = mix(low ^ mix(position + 0x9e3779b9));
  return { key1, key2: mix(key1 ^ mix(high + 0x7f4a7c15)) };
}

const bitsOf = ({ key1, key2 }: NoiseKey, token: number) => mix(key2 ^ mix(key1 ^ token));
const gumbelOf = (bits: number) => -Math.log(-Math.log((bits + 0.5) / 0x1_0000_0000));

/** 32 random bits, unsigned. */
export function noiseBits(seed: number, position: number, token: number): number {
  return bitsOf(noiseKey(seed, position), token);
}

/** Nothing but a tie is left to chance below it, and a division by much less would overflow. */
const MIN_TEMPERATURE = 1e-5;
/** Largest noise there can be: -ln(-ln(1 - 2^-33)) = 22.874. */
const MAX_GUMBEL = 22.88;
/** 15 of 16 draws have fewer bits than this, and less noise: -ln(-ln(15/16)) = 2.740. */
const COMMON_BITS = 0xf0000000;
const COMMON_GUMBEL = 2.75;

/**
 * @param logits [vocab]; NaN counts as minus infinity
 * @param position of the token in the answer, from 0
 * @throws RangeError when the largest logit is not a finite number
 */
export function sample(logits: Float32Array, params: DrawParams, position: number): number {
  const { temperature, topK, topP, minP, seed } = params;
  if (temperature < MIN_TEMPERATURE || topK === 1) return argmax(logits).index;
  const { values, ids } = candidates(logits, topK);
  const { index: best, max } = argmax(values);
  let floor = Number.NEGATIVE_INFINITY;
  if (topP < 1) floor = nucleus(values, max, temperature, topP);
  if (minP > 0) floor = Math.max(floor, max + Math.log(minP) * temperature);

  const key = noiseKey(seed, position);
  let winner = ids ? ids[best]! : best;
  let score = max / temperature + gumbelOf(bitsOf(key, winner));
  for (let i = 0; i < values.length; i++) {
    const logit = values[i]!;
    if (!(logit >= floor)) continue;
    // Logarithms only for tokens that can still win: for a flat distribution they were all the time.
    const scaled = logit / temperature;
    if (scaled + MAX_GUMBEL < score) continue;
    const token = ids ? ids[i]! : i;
    const bits = bitsOf(key, token);
    if (bits < COMMON_BITS && scaled + COMMON_GUMBEL < score) continue;
    const candidate = scaled + gumbelOf(bits);
    if (candidate > score || (candidate === score && token < winner)) {
      score = candidate;
      winner = token;
    }
  }
  return winner;
}

/** Lowest index of the largest value. */
function argmax(values: Float32Array): { index: number; max: number } {
  let index = 0;
  let max = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value > max) {
      max = value;
      index = i;
    }
  }
  if (!Number.isFinite(max)) throw new RangeError(`the largest logit is ${max}`);
  return { index, max };
}

/**
 * What top_k leaves, in order of ids; without it everything (`ids` is null: the index is the id).
 * All filters keep the largest logits, so each is a threshold, and equal logits are kept or dropped
 * together (a tie at the border keeps all of them).
 */
function candidates(
  logits: Float32Array,
  topK: number,
): { values: Float32Array; ids: number[] | null } {
  if (topK === 0 || topK >= logits.length) return { values: logits, ids: null };
  const floor = kthLargest(logits, topK);
  const ids: number[] = [];
  for (let i = 0; i < logits.length; i++) if (logits[i]! >= floor) ids.push(i);
  return { values: Float32Array.from(ids, (id) => logits[id]!), ids };
}

/** The k-th largest value, with a heap of k: one comparison for nearly every logit. */
function kthLargest(logits: Float32Array, k: number): number {
  const heap = new Float32Array(k).fill(Number.NEGATIVE_INFINITY); // smallest first
  for (let i = 0; i < logits.length; i++) {
    const value = logits[i]!;
    if (!(value > heap[0]!)) continue;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= k) break;
      if (child + 1 < k && heap[child + 1]! < heap[child]!) child++;
      if (heap[child]! >= value) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = value;
  }
  return heap[0]!;
}

/** Buckets per unit of scaled logit, and the depth from which on a token has no weight. */
const BUCKETS_PER_UNIT = 64;
/** 2^22 tokens of probability e^-60 of the best one's are together below 1e-19 of it. */
const DEPTH = 60;

/**
 * Smallest logit of the nucleus: the fewest tokens, largest first, whose probabilities reach topP.
 * Probabilities are summed into buckets by logit, and only the bucket
 * in which the sum is reached is sorted: linear also for a flat distribution, where sorting the
 * nucleus took 33 ms of 151936 tokens.
 */
function nucleus(logits: Float32Array, max: number, temperature: number, topP: number): number {
  const sums = new Float64Array(DEPTH * BUCKETS_PER_UNIT);
  const low = max - DEPTH * temperature;
  const bucketOf = (logit: number) =>
    Math.min(sums.length - 1, Math.floor(((max - logit) / temperature) * BUCKETS_PER_UNIT));
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i]!;
    if (logit >= low) sums[bucketOf(logit)]! += Math.exp((logit - max) / temperature);
  }
  const target = topP * sums.reduce((a, b) => a + b, 0);
  let sum = 0;
  let bucket = 0;
  while (bucket < sums.length - 1 && sum + sums[bucket]! < target) sum += sums[bucket++]!;
  const border: number[] = [];
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i]!;
    if (logit >= low && bucketOf(logit) === bucket) border.push(logit);
  }
  border.sort((a, b) => b - a);
  for (const logit of border) {
    sum += Math.exp((logit - max) / temperature);
    if (sum >= target) return logit;
  }
  return border.at(-1) ?? low;
}
