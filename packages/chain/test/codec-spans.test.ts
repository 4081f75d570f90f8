import { encode } from '@blyan/chain/codec';
import { spansOf } from '@blyan/chain/codec-spans';
import { fromHex, toHex } from '@blyan/chain/hex';
import { MAX_BODY_BYTES } from '@blyan/chain/limits';
import { expect, test } from 'vitest';
import chain from '../vectors/chain.json';

test.each(chain.blocks)(
  'the spans of $name are its bytes, in order, and say what is there',
  (block) => {
    for (const hex of [block.header, block.body]) {
      const bytes = fromHex(hex);
      const spans = spansOf(bytes, MAX_BODY_BYTES);
      let at = 0;
      for (const { start, end, kind, value } of spans) {
        expect(start).toBe(at);
        at = end;
        if (kind !== 'head') expect(toHex(bytes.subarray(start, end))).toBe(toHex(encode(value)));
      }
      expect(at).toBe(bytes.length);
    }
  },
);

test('paths lead to the values', () => {
  const bytes = encode({ b: [1, { '10': 'x', '9': null }], aa: new Uint8Array(300) });
  const values = spansOf(bytes, 1024).filter(({ kind }) => kind === 'value');
  expect(values.map(({ path }) => path.join('.'))).toEqual(['b.0', 'b.1.9', 'b.1.10', 'aa']);
  expect(values.map(({ start, end }) => end - start)).toEqual([1, 1, 2, 303]);
});
