/** A reader's file against what a model records, without a browser: any `Blob` is read the same. */
import { toHex } from '@blyan/chain/hex';
import { rootOfBytes } from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import type { StoredFormat, TensorDescriptor } from '@blyan/chain/types';
import { encodeTensor } from '@blyan/model/formats/encode';
import { FORMATS, recipeFor } from '@blyan/model/formats/layout';
import { describe, expect, test } from 'vitest';
import { checkFile, type Recorded } from '../src/own-file/check-file.ts';
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

async function check(bytes: Uint8Array, name = 'model.safetensors', against: Recorded = recorded) {
  const blob = new Blob([bytes as Uint8Array<ArrayBuffer>]);
  const local = { name, size: blob.size, slice: (a: number, b: number) => blob.slice(a, b) };
  const replies: OwnFileReply[] = [];
  for await (const reply of checkFile(local, against)) replies.push(reply);
  const end = replies.at(-1);
  if (end?.kind !== 'file') throw new Error('no end');
  const states = replies.flatMap((reply) =>
    reply.kind === 'tensor' ? [[reply.result.name, reply.result.state]] : [],
  );
  const notes = replies.flatMap((reply) =>
    reply.kind === 'tensor' ? [[reply.result.name, reply.result.note]] : [],
  );
  return {
    end,
    states: Object.fromEntries(states) as Record<string, string>,
    notes: Object.fromEntries(notes) as Record<string, string | null>,
  };
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

test('weights that are no numbers are named, and the rest of the file is checked all the same', async () => {
  const { bytes } = safetensors((all, start) => {
    new DataView(all.buffer).setFloat32(start + 8, Number.NaN, true);
  });
  const { end, states, notes } = await check(bytes);
  expect(states).toEqual({ a: 'refused', b: 'same', buffer: 'unused' });
  expect(notes.a).toBe('a holds NaN or an infinity.');
  expect(end.sha256).toBe(toHex(sha256(bytes)));
});

test('a chain that records them is not believed', async () => {
  const { bytes, start } = safetensors((all, at) => {
    new DataView(all.buffer).setFloat32(at + 8, Number.POSITIVE_INFINITY, true);
  });
  const root = rootOfBytes(bytes.slice(start, start + LENGTH));
  const [a, b] = tensors as [TensorDescriptor, TensorDescriptor];
  const forged = { ...recorded, tensors: [{ ...a, source: { ...a.source, root } }, b] };
  const { states, notes } = await check(bytes, 'model.safetensors', forged);
  expect(states).toMatchObject({ a: 'refused', b: 'same' });
  expect(notes.a).toContain('its bytes are the recorded ones');
});

test('a recipe that is not known is named', async () => {
  const [a, b] = tensors as [TensorDescriptor, TensorDescriptor];
  const later = { ...recorded, tensors: [a, { ...b, recipe: { name: 'q4-asym-64', version: 3 } }] };
  const { states, notes } = await check(original.bytes, 'model.safetensors', later);
  expect(states).toEqual({ a: 'same', b: 'partly', buffer: 'unused' });
  expect(notes.b).toContain('q4-asym-64 3');
});

describe('fp8, with scales beside it', () => {
  const SHAPE8 = [130, 140];
  const CODES = Uint8Array.from({ length: 130 * 140 }, (_, i) => i % 0x7f);
  const SCALES = Float32Array.of(0.5, 0.25, 2, 1);
  type Dtype = 'F32' | 'BF16' | 'F16';

  const scaleBytes = (dtype: Dtype, scales = SCALES): Uint8Array => {
    const bytes = new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength);
    if (dtype === 'F32') return bytes;
    // Exact in bf16; as binary16 they are other numbers, which nobody reads.
    return new Uint8Array(
      Uint16Array.from(new Uint32Array(bytes.slice().buffer), (w) => w >>> 16).buffer,
    );
  };
  const entry = (name: string, dtype: string, shape: number[], bytes: Uint8Array) => ({
    name,
    dtype,
    shape,
    bytes,
  });
  const codes = entry('w', 'F8_E4M3', SHAPE8, CODES);
  const scalesOf = (dtype: Dtype, scales = SCALES) =>
    entry('w_scale_inv', dtype, [2, 2], scaleBytes(dtype, scales));

  function fileOf(entries: ReturnType<typeof entry>[]) {
    let at = 0;
    const header: Record<string, unknown> = {};
    const offsets: Record<string, number> = {};
    for (const { name, dtype, shape, bytes } of entries) {
      header[name] = { dtype, shape, data_offsets: [at, at + bytes.length] };
      offsets[name] = at;
      at += bytes.length;
    }
    const json = Buffer.from(JSON.stringify(header));
    const prefix = Buffer.alloc(8);
    prefix.writeBigUInt64LE(BigInt(json.length));
    const parts = entries.map(({ bytes }) => bytes);
    return {
      bytes: new Uint8Array(Buffer.concat([prefix, json, ...parts])),
      start: 8 + json.length,
      offsets,
    };
  }

  function recordedOf(
    scaleType: 'F32' | 'BF16',
    format: StoredFormat,
  ): { bytes: Uint8Array; model: Recorded } {
    const scales = scalesOf(scaleType);
    const { bytes, start, offsets } = fileOf([codes, scales]);
    const file = sha256(bytes);
    const source = { name: 'w', shape: SHAPE8, dtype: 'fp8', scales: SCALES } as const;
    const stored = encodeTensor(source, format, CODES);
    const range = ({ name, bytes: part }: ReturnType<typeof entry>) => ({
      file,
      offset: start + offsets[name]!,
      length: part.length,
      root: rootOfBytes(part),
    });
    const tensor: TensorDescriptor = {
      name: 'w',
      role: 'w',
      dtype: 'fp8',
      shape: SHAPE8,
      format,
      byteLength: stored.length,
      leafSize: 2 ** 20,
      root: rootOfBytes(stored),
      source: { ...range(codes), scales: range(scales) },
      recipe: recipeFor('fp8', format),
    };
    const files = [{ path: 'model.safetensors', byteLength: bytes.length, sha256: file }];
    return { bytes, model: { files, tensors: [tensor] } };
  }
  const checkAgainst = (bytes: Uint8Array, model: Recorded) =>
    check(bytes, 'model.safetensors', model);

  test.each(
    (['F32', 'BF16'] as const).flatMap((type) => FORMATS.map((format) => [type, format] as const)),
  )('in %s, stored as %s', async (type, format) => {
    const { bytes, model } = recordedOf(type, format);
    expect((await checkAgainst(bytes, model)).states).toEqual({ w: 'same', w_scale_inv: 'unused' });
    // Whoever wrote the tensors anew may have put the scales in front.
    const moved = fileOf([scalesOf(type), codes]).bytes;
    expect((await checkAgainst(moved, model)).states).toMatchObject({ w: 'same' });
  });

  test('other scales, of another form, or not there', async () => {
    const { model } = recordedOf('F32', 'q8');
    const note = async (...entries: ReturnType<typeof entry>[]) => {
      const { states, notes } = await checkAgainst(fileOf(entries).bytes, model);
      return [states.w, notes.w];
    };
    expect(await note(codes, scalesOf('F32', Float32Array.of(0.5, 0.25, 2, 3)))).toEqual([
      'differs',
      'its scales are not those that were imported',
    ]);
    expect(await note(codes, scalesOf('BF16'))).toEqual([
      'differs',
      'its scales are not those that were imported',
    ]);
    expect(await note(codes, scalesOf('F16'))).toEqual([
      'differs',
      'its scales w_scale_inv are F16 [2, 2], not F32 or BF16 [2, 2]',
    ]);
    expect(await note(codes, { ...scalesOf('F32'), shape: [4] })).toEqual([
      'differs',
      'its scales w_scale_inv are F32 [4], not F32 or BF16 [2, 2]',
    ]);
    expect(await note(codes)).toEqual(['partly', 'its scales are not in this file']);
    expect(await note(codes, scalesOf('F32', Float32Array.of(0.5, Number.NaN, 2, 1)))).toEqual([
      'refused',
      'w holds NaN or an infinity.',
    ]);
  });
});
