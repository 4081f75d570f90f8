/** How hashes look: the same everywhere, so that equal ones are seen as equal. */

const BARS = 5;

export const shortHash = (hash: string) => `${hash.slice(0, 8)}…${hash.slice(-6)}`;

/** Hues of the stripe, from the first bytes of a hash in hex. */
export function stripeHues(hash: string): number[] {
  const hues: number[] = [];
  for (let i = 0; i < BARS; i++) {
    const byte = Number.parseInt(hash.slice(2 * i, 2 * i + 2), 16);
    hues.push(Math.round(((byte || 0) * 360) / 256));
  }
  return hues;
}
