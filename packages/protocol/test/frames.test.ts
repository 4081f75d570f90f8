import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import {
  decodeFrame,
  encodeFrame,
  type Frame,
  FrameError,
  MAX_FRAME_BODY,
  MAX_FRAME_BYTES,
  MAX_FRAME_GROUPS,
} from '../src/frames.ts';
import vectors from '../vectors/frames.json' with { type: 'json' };

const u32 = fc.integer({ min: 0, max: 0xffffffff });
const group = fc.record({ cache: u32, position: u32, count: u32 });
const payload = fc
  .record({
    type: fc.constantFrom('f32' as const, 'f16' as const),
    rows: fc.integer({ min: 1, max: 7 }),
    width: fc.integer({ min: 1, max: 9 }),
  })
  .chain(({ type, rows, width }) => {
    const length = rows * width * (type === 'f32' ? 4 : 2);
    return fc
      .uint8Array({ minLength: length, maxLength: length })
      .map((bytes) => ({ type, rows, width, bytes }));
  });
const frame: fc.Arbitrary<Frame> = fc
  .record({
    kind: fc.constantFrom('hello' as const, 'run' as const, 'result' as const, 'pong' as const),
    assignment: fc.uuid(),
    epoch: u32,
    from: fc.integer({ min: 0, max: 255 }),
    seq: u32,
    run: u32,
    mode: fc.constantFrom('none' as const, 'prefill' as const, 'decode' as const, 'check' as const),
    wanted: u32,
    groups: fc.array(group, { maxLength: 5 }),
    content: fc.oneof(payload, fc.string({ maxLength: 50, unit: 'grapheme' })),
  })
  .map(({ content, ...rest }) =>
    typeof content === 'string'
      ? { ...rest, payload: null, body: content }
      : { ...rest, payload: content, body: '' },
  );

describe('frames', () => {
  it('come back as they were', () => {
    fc.assert(fc.property(frame, (f) => void expect(decodeFrame(encodeFrame(f))).toEqual(f)));
  });

  it('are read from any place in a buffer, without a copy of the payload', () => {
    fc.assert(
      fc.property(frame, fc.integer({ min: 0, max: 9 }), (f, before) => {
        const encoded = encodeFrame(f);
        const buffer = new Uint8Array(before + encoded.length + 3);
        buffer.set(encoded, before);
        const read = decodeFrame(buffer.subarray(before, before + encoded.length));
        expect(read).toEqual(f);
        if (read.payload) expect(read.payload.bytes.buffer).toBe(buffer.buffer);
      }),
    );
  });

  it('of a wrong length are refused', () => {
    fc.assert(
      fc.property(frame, fc.integer({ min: 1, max: 60 }), (f, cut) => {
        const encoded = encodeFrame(f);
        const longer = new Uint8Array(encoded.length + cut);
        longer.set(encoded);
        expect(() => decodeFrame(longer)).toThrow(FrameError);
        expect(() => decodeFrame(encoded.subarray(0, -cut))).toThrow(FrameError);
      }),
    );
  });

  it('with any bytes changed are read or refused, never worse', () => {
    const change = fc.array(fc.tuple(fc.nat(200), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 6,
    });
    fc.assert(
      fc.property(frame, change, (f, changes) => {
        const bytes = encodeFrame(f);
        for (const [at, value] of changes) bytes[at % bytes.length] = value;
        try {
          decodeFrame(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FrameError);
        }
      }),
    );
  });

  it('are bounded when they are made, too', () => {
    const base = decodeFrame(encodeFrame(fc.sample(frame, { seed: 1, numRuns: 1 })[0]!));
    const plain = { ...base, payload: null, body: '' };
    const groups = Array.from({ length: MAX_FRAME_GROUPS + 1 }, () => ({
      cache: 1,
      position: 2,
      count: 3,
    }));
    expect(() => encodeFrame({ ...plain, groups })).toThrow('FRAME_BOUNDS');
    expect(() => encodeFrame({ ...plain, body: 'x'.repeat(MAX_FRAME_BODY + 1) })).toThrow(
      'FRAME_BOUNDS',
    );
    const bytes = new Uint8Array(7);
    expect(() =>
      encodeFrame({ ...plain, payload: { type: 'f32', rows: 1, width: 2, bytes } }),
    ).toThrow('FRAME_LENGTH');
    expect(MAX_FRAME_BYTES).toBeLessThan(34 * 2 ** 20);
  });
});

const unhex = (hex: string) =>
  Uint8Array.from(hex.match(/../g) ?? [], (b) => Number.parseInt(b, 16));
const tohex = (bytes: Uint8Array) =>
  [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');

test.each(vectors.frames)('vector: $name', ({ hex, frame: expected }) => {
  const read = decodeFrame(unhex(hex));
  const { payload: p } = read;
  expect({ ...read, payload: p && { ...p, bytes: tohex(p.bytes) } }).toEqual(expected);
  expect(tohex(encodeFrame(read))).toBe(hex);
});

test.each(vectors.refused)('refused: $name', ({ hex, code }) => {
  expect(() => decodeFrame(unhex(hex))).toThrow(code);
});
