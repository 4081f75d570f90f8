/** Bodies: bounded schemas of every block type, canonical bytes, and the hash that headers name. */
import { z } from 'zod';
import { decode, encode } from './codec.ts';
import { ChainError } from './errors.ts';
import * as limits from './limits.ts';
import { Count, Hash, Name, parse } from './schema.ts';
import { sha256 } from './sha256.ts';
import type * as types from './types.ts';

export const MAX_BODY_BYTES = limits.MAX_BODY_BYTES;

const BODY_TAG = new TextEncoder().encode('blyan/v1/body\0');

const unique = (items: readonly string[]) => new Set(items).size === items.length;
const hexSet = (keys: readonly Uint8Array[]) => unique(keys.map((key) => key.join()));

const Network = z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/, 'expected 1 to 63 of a-z, 0-9 and -');
/** Inside the checkpoint: no way out of it, and one spelling. */
const Path = z
  .string()
  .min(1)
  .max(limits.MAX_PATH)
  .refine(
    (path) =>
      !/[\\\p{Cc}]/u.test(path) && path.split('/').every((part) => !['', '.', '..'].includes(part)),
    'expected a relative path with forward slashes',
  );
const Recipe = z.strictObject({ name: Name, version: Count.min(1) });
const Group = z
  .string()
  .regex(
    /^(embedding|norm|head|layer\.(0|[1-9][0-9]{0,3}))$/,
    'expected embedding, layer.N, norm or head',
  );

const Genesis = z.strictObject({
  network: Network,
  authorities: z
    .array(Hash)
    .min(1)
    .max(limits.MAX_AUTHORITIES)
    .refine(hexSet, 'expected each key once'),
});
const DerivedGenesis = z.strictObject({ network: Network, root: Hash });
const Authority = z.strictObject({ action: z.enum(['add', 'remove']), key: Hash });
const Retire = z.strictObject({ model: Hash, reason: Name });

/** Of what is kept by its root; a source file, which is in no store, may be longer. */
const BlobLength = Count.max(limits.MAX_BLOB_BYTES);
const fileRef = { path: Path, byteLength: Count, sha256: Hash };
const paths = (files: readonly { path: string }[]) => unique(files.map((file) => file.path));
const Model = z.strictObject({
  name: Name,
  family: Name,
  parameters: Count.min(1),
  files: z
    .array(z.strictObject({ ...fileRef, byteLength: BlobLength, root: Hash }))
    .min(1)
    .max(limits.MAX_STORED_FILES)
    .refine(paths, 'expected each path once'),
  layers: z
    .array(z.strictObject({ group: Group, block: Hash }))
    .min(1)
    .max(limits.MAX_LAYERS)
    .refine((layers) => unique(layers.map((layer) => layer.group)), 'expected each group once'),
  recipe: Recipe,
  source: z.strictObject({
    repository: Name.nullable(),
    revision: Name.nullable(),
    files: z
      .array(z.strictObject(fileRef))
      .min(1)
      .max(limits.MAX_SOURCE_FILES)
      .refine(paths, 'expected each path once'),
  }),
});

const RAW_BYTES: Partial<Record<types.StoredFormat, number>> = { f32: 4, f16: 2, bf16: 2 };

const sourceRange = { file: Hash, offset: Count, length: Count.min(1), root: Hash };

const Tensor = z
  .strictObject({
    name: Name,
    role: Name,
    dtype: z.enum(['f32', 'f16', 'bf16', 'fp8']),
    shape: z.array(Count.min(1)).max(limits.MAX_RANK),
    format: z.enum(['f32', 'f16', 'bf16', 'fp8', 'q8', 'q4', 'nf4']),
    byteLength: BlobLength.min(1),
    /** The format leaves room for other sizes; v1 has this one, in blobs and proofs alike. */
    leafSize: z.literal(limits.LEAF_SIZE),
    root: Hash,
    source: z.strictObject({
      ...sourceRange,
      // No `undefined` inside: a key that is there has a value.
      scales: z.strictObject(sourceRange).exactOptional(),
    }),
    recipe: Recipe,
  })
  .refine(
    (tensor) => {
      const width = RAW_BYTES[tensor.format];
      const weights = tensor.shape.reduce((product, size) => product * size, 1);
      return width === undefined || tensor.byteLength === width * weights;
    },
    { path: ['byteLength'], error: 'expected shape times bytes a weight' },
  )
  .refine((tensor) => (tensor.dtype === 'fp8') === (tensor.source.scales !== undefined), {
    path: ['source', 'scales'],
    error: 'expected with dtype fp8, and with no other',
  });
const Layer = z.strictObject({
  group: Group,
  tensors: z
    .array(Tensor)
    .min(1)
    .max(limits.MAX_TENSORS)
    .refine((tensors) => unique(tensors.map((tensor) => tensor.name)), 'expected each name once'),
});

const SCHEMAS: { [T in types.BlockType]: z.ZodType<types.BodyOf<T>> } = {
  genesis: z.union([Genesis, DerivedGenesis]),
  model: Model,
  authority: Authority,
  retire: Retire,
  layer: Layer,
  epoch: z.never(),
};

/** Canonical bytes. @throws ChainError BODY_INVALID, BODY_TOO_LARGE */
export function encodeBody<T extends types.BlockType>(type: T, body: types.BodyOf<T>): Uint8Array {
  const bytes = encode(parse(schemaOf(type), body, 'BODY_INVALID', { type }));
  checkBodySize(bytes);
  return bytes;
}

/** @throws ChainError BODY_TOO_LARGE, CODEC_INVALID, BODY_INVALID */
export function decodeBody<T extends types.BlockType>(type: T, bytes: Uint8Array): types.BodyOf<T> {
  checkBodySize(bytes);
  return parse(schemaOf(type), decode(bytes, MAX_BODY_BYTES), 'BODY_INVALID', { type });
}

function schemaOf<T extends types.BlockType>(type: T): z.ZodType<types.BodyOf<T>> {
  return SCHEMAS[type];
}

export function checkBodySize(bytes: Uint8Array): void {
  if (bytes.length > MAX_BODY_BYTES) {
    throw new ChainError('BODY_TOO_LARGE', { bytes: bytes.length, bound: MAX_BODY_BYTES });
  }
}

/** What a header's `body` names. */
export function bodyHash(bytes: Uint8Array): types.Hash {
  return sha256(BODY_TAG, bytes);
}

/** Genesis of chain A, as against the derived ones. */
export function isRootGenesis(
  body: types.GenesisBody | types.DerivedGenesisBody,
): body is types.GenesisBody {
  return 'authorities' in body;
}
