/** Bytes of any kind, cut into tokens anywhere, against a decoder written from the Unicode standard. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { StreamingDetokenizer } from '../src/detokenizer.ts';

/** The Unicode standard, table 3-7: ranges of the bytes of each well-formed sequence. */
const WELL_FORMED: [number, number][][] = [
  [[0x00, 0x7f]],
  [
    [0xc2, 0xdf],
    [0x80, 0xbf],
  ],
  [
    [0xe0, 0xe0],
    [0xa0, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xe1, 0xec],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xed, 0xed],
    [0x80, 0x9f],
    [0x80, 0xbf],
  ],
  [
    [0xee, 0xef],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf0, 0xf0],
    [0x90, 0xbf],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf1, 0xf3],
    [0x80, 0xbf],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
  [
    [0xf4, 0xf4],
    [0x80, 0x8f],
    [0x80, 0xbf],
    [0x80, 0xbf],
  ],
];

/**
 * Text that the bytes are certain to begin with, and whether a beginning of a character is left over.
 * What cannot become a character is replaced by maximal subparts (same standard, section 3.9).
 */
function certainText(bytes: number[]): { text: string; pending: boolean } {
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    let longest = 0;
    let ended = false;
    for (const sequence of WELL_FORMED) {
      let n = 0;
      while (n < sequence.length && at + n < bytes.length) {
        const [low, high] = sequence[n]!;
        if (bytes[at + n]! < low || bytes[at + n]! > high) break;
        n++;
      }
      if (n <= longest) continue;
      longest = n;
      ended = n === sequence.length;
    }
    if (!ended && longest > 0 && at + longest === bytes.length) return { text, pending: true };
    if (ended) text += decodeOne(bytes.slice(at, at + longest));
    else text += '\ufffd';
    at += Math.max(1, longest);
  }
  return { text, pending: false };
}

function decodeOne(bytes: number[]): string {
  const lead = [0x7f, 0x1f, 0x0f, 0x07][bytes.length - 1]!;
  return String.fromCodePoint(
    bytes.slice(1).reduce((code, byte) => code * 64 + (byte & 0x3f), bytes[0]! & lead),
  );
}

const ADDED = 999;
const table = (pieces: number[][]) => ({
  size: 1000,
  bytes: (id: number) => (id === ADDED ? undefined : Uint8Array.from(pieces[id] ?? [])),
  added: (id: number) => (id === ADDED ? { content: '<added>', special: false } : undefined),
  idOf: () => undefined,
});

const sizes = fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 8 });
const utf8 = (text: string) => [...new TextEncoder().encode(text)];
const text = fc.string({ unit: 'binary', maxLength: 40 }).filter((s) => !/\p{Surrogate}/u.test(s));
const noise = fc.oneof(
  fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 4 }),
  // Beginnings, and what must not follow them.
  fc.constantFrom([0xe0], [0xe0, 0x80], [0xed, 0xa0], [0xf0, 0x8f], [0xf4, 0x90], [0xf5], [0xc1]),
  fc.constantFrom(
    [0xe2, 0x82],
    [0xf0, 0x9f],
    [0xf0, 0x9f, 0x98],
    [0xc3],
    [0x80],
    [0xef, 0xbb, 0xbf],
  ),
);
const bytes = fc
  .array(fc.oneof(text.map(utf8), noise), { maxLength: 8 })
  .map((parts) => parts.flat());

function cut(all: number[], cuts: number[]): number[][] {
  const pieces: number[][] = [];
  for (let at = 0; at < all.length; ) {
    const size = cuts[pieces.length % cuts.length]!;
    pieces.push(all.slice(at, at + size));
    at += size;
  }
  return pieces;
}

describe('StreamingDetokenizer', () => {
  it('has said each character as soon as its last byte is there, and no half of one', () => {
    fc.assert(
      fc.property(bytes, sizes, (all, cuts) => {
        const pieces = cut(all, cuts);
        const detokenizer = new StreamingDetokenizer(table(pieces));
        let said = '';
        const read: number[] = [];
        for (const [id, piece] of pieces.entries()) {
          said += detokenizer.push([id]);
          read.push(...piece);
          expect({ text: said, pending: detokenizer.pending }).toEqual(certainText(read));
        }
        const { text, pending } = certainText(all);
        expect(said + detokenizer.flush()).toBe(text + (pending ? '\ufffd' : ''));
        expect(detokenizer.pending).toBe(false);
      }),
      { numRuns: 1000 },
    );
  });

  it('gives well-formed text back as it was', () => {
    fc.assert(
      fc.property(text, sizes, (whole, cuts) => {
        const pieces = cut(utf8(whole), cuts);
        const detokenizer = new StreamingDetokenizer(table(pieces));
        const said = pieces.map((_, id) => detokenizer.push([id])).join('');
        expect(said).toBe(whole);
        expect(detokenizer.flush()).toBe('');
      }),
      { numRuns: 500 },
    );
  });

  it('ends an unfinished character at an added token', () => {
    const detokenizer = new StreamingDetokenizer(table([[0xf0, 0x9f]]));
    expect(detokenizer.push([0])).toBe('');
    expect(detokenizer.pending).toBe(true);
    expect(detokenizer.push([ADDED])).toBe('\ufffd<added>');
    expect(detokenizer.pending).toBe(false);
  });
});
