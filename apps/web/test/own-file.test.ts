/** A reader's file against what a model records, without a browser: any `Blob` is read the same. */
import { rootOfBytes } from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import type { TensorDescriptor } from '@blyan/chain/types';
import { encodeTensor } from '@blyan/model/formats/encode';
import { recipeFor } from '@blyan/model/formats/layout';
import { expect, test } from 'vitest';
import { checkFile } from '../src/own-file/check-file.ts';
import type { OwnFileReply } from '../src/own-file/messages.ts';

const SHAPE = [6, 128];
const LENGTH = 4 * 6 * 128;
const NAMES = ['a', 'b', 'buffer'];

/** Three tensors of f32, of which the model has two. */
function safetensors(change?: (bytes: Uint8Array, start: number) => void) {
  const entries = NAMES.map((name, i) => [
    name,
    { dtype: 'F32', shape: SHAPE, data_offsets: [i * LENGTH, (i + 1) * LENGTH] },
  ]);
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const start = 8 + header.length;
  const bytes = new Uint8Array(start + NAMES.length * LENGTH);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  const values = Float32Array.from({ length: (NAMES.length * LENGTH) / 4 }, (_, i) => Math.sin(i));
  bytes.set(new Uint8Array(values.buffer), start);
  change?.(bytes, start);
  return { bytes, start };
}

const original = safetensors();
const file = sha256(original.bytes);
const tensors = NAMES.slice(0, 2).map((name, i): TensorDescriptor => {
  const offset = original.start + i * LENGTH;
  const raw = original.bytes.slice(offset, offset + LENGTH);
  const stored = encodeTensor({ name, shape: SHAPE, dtype: 'f32' }, 'q4', raw);
  return {
    name,
    role: name,
    dtype: 'f32',
    shape: SHAPE,
    format: 'q4',
    byteLength: stored.length,
    leafSize: 2 ** 20,
    root: rootOfBytes(stored),
    source: { file, offset, length: LENGTH, root: rootOfBytes(raw) },
    recipe: recipeFor('f32', 'q4'),
  };
});
const recorded = {
  files: [{ path: 'model.safetensors', byteLength: original.bytes.length, sha256: file }],
  tensors,
};

async function check(bytes: Uint8Array, name = 'model.safetensors') {
  const blob = new Blob([bytes as Uint8Array<ArrayBuffer>]);
  const local = { name, size: blob.size, slice: (a: number, b: number) => blob.slice(a, b) };
  const replies: OwnFileReply[] = [];
  for await (const reply of checkFile(local, recorded)) replies.push(reply);
  const end = replies.at(-1);
  if (end?.kind !== 'file') throw new Error('no end');
  const states = replies.flatMap((reply) =>
    reply.kind === 'tensor' ? [[reply.result.name, reply.result.state]] : [],
  );
  return { end, states: Object.fromEntries(states) as Record<string, string> };
}

test('the file that was imported, under any name', async () => {
  const { end, states } = await check(original.bytes, 'copy.safetensors');
  expect(states).toEqual({ a: 'same', b: 'same', buffer: 'unused' });
  expect(end.recorded?.sha256).toBe(end.sha256);
  expect(end.missing).toEqual([]);
});

test('one bit in one tensor', async () => {
  const { bytes } = safetensors((all, start) => {
    all[start + LENGTH + 7]! ^= 1;
  });
  const { end, states } = await check(bytes);
  expect(states).toEqual({ a: 'same', b: 'differs', buffer: 'unused' });
  expect(end.recorded?.sha256).not.toBe(end.sha256);
});

test('one bit in what the model does not use is still another file', async () => {
  const { bytes } = safetensors((all) => {
    all[all.length - 1]! ^= 1;
  });
  const { end, states } = await check(bytes);
  expect(states).toMatchObject({ a: 'same', b: 'same' });
  expect(end.recorded?.sha256).not.toBe(end.sha256);
});

test('another shape or type is said, and what is no safetensors file is refused', async () => {
  const text = JSON.stringify({ a: { dtype: 'F32', shape: [128, 6], data_offsets: [0, LENGTH] } });
  const header = new TextEncoder().encode(text);
  const bytes = new Uint8Array(8 + header.length + LENGTH);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(header.length), true);
  bytes.set(header, 8);
  const { end, states } = await check(bytes);
  expect(states).toEqual({ a: 'differs' });
  expect(end.missing).toEqual(['b']);
  await expect(check(new Uint8Array(20).fill(0x7b))).rejects.toThrow();
});
