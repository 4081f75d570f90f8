/** What a layer block may say about where a tensor came from. */
import { decodeBody, encodeBody } from '@blyan/chain/body';
import type { LayerBody, TensorDescriptor } from '@blyan/chain/types';
import { expect, test } from 'vitest';
import chain from '../vectors/chain.json';
import { verifierAt } from './support.ts';

const block = verifierAt(chain, chain.blocks.at(-1)!.name).at('B', 1)!;
if (!block.isType('layer')) throw new Error('B1 is no layer block');
const { body } = block;
const [first] = body.tensors as [TensorDescriptor];
const layer = (change: Partial<TensorDescriptor>): LayerBody => ({
  ...body,
  tensors: [{ ...first, ...change }],
});
const scales = { ...first.source, offset: 4096, length: 16 };
const fp8 = { dtype: 'fp8', format: 'fp8', source: { ...first.source, scales } } as const;

test('an fp8 tensor names the bytes of its scales too', () => {
  const bytes = encodeBody('layer', layer(fp8));
  expect(decodeBody('layer', bytes)).toEqual(layer(fp8));
});

test.each<[string, Partial<TensorDescriptor>, RegExp]>([
  ['fp8 without scales', { ...fp8, source: first.source }, /dtype fp8/],
  ['scales of another type', { source: { ...first.source, scales } }, /dtype fp8/],
  [
    'scales with a field too many',
    { ...fp8, source: { ...first.source, scales: { ...scales, scales } as never } },
    /scales/,
  ],
  [
    'scales of no bytes',
    { ...fp8, source: { ...first.source, scales: { ...scales, length: 0 } } },
    /length/,
  ],
])('%s: refused', (_, change, text) => {
  const encode = () => encodeBody('layer', layer(change));
  expect(encode).toThrow(expect.objectContaining({ code: 'BODY_INVALID' }));
  expect(encode).toThrow(text);
});
