/** What this machine has for a model, before it has run one. */
import { totalmem } from 'node:os';

/** For this program, the runtime and the rest of the machine. */
const RESERVE_BYTES = 512 * 2 ** 20;
const RESERVE_SHARE = 0.1;
/** Larger than the last cache of any processor, so that memory is what is measured. */
const PROBE_BYTES = 256 * 2 ** 20;
/** Of a small machine, no more than this share is taken for a moment. */
const PROBE_SHARE = 1 / 16;

/** Bytes for weights and KV caches: of the container, where there is one. */
export function usableMemory(): number {
  const limit = process.constrainedMemory();
  const total = limit > 0 ? Math.min(limit, totalmem()) : totalmem();
  return Math.max(0, Math.floor(total - Math.max(RESERVE_BYTES, total * RESERVE_SHARE)));
}

/**
 * Bytes a second that a copy in memory reads: a decode step reads each weight once, and memory is its
 * limit. Only for the first plan; the engine then measures real steps. Takes about 100 ms.
 */
export function memorySpeed(): number {
  const bytes = Math.min(PROBE_BYTES, Math.floor(usableMemory() * PROBE_SHARE));
  const half = Math.max(1, Math.floor(bytes / 2));
  const from = Buffer.alloc(half, 1);
  const to = Buffer.alloc(half, 2);
  const start = performance.now();
  from.copy(to);
  return (half * 1000) / Math.max(0.1, performance.now() - start);
}
