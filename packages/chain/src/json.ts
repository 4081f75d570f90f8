/**
 * Blocks as JSON. Two shapes: `WireBlock`, the exact bytes, which is what programs exchange and
 * verify; and `readableBlock`, decoded with hex hashes, which is for people and proves nothing.
 */
import { z } from 'zod';
import { fromBase64, toBase64 } from './base64.ts';
import { type OpenedBlock, openBlockAs } from './block.ts';
import { ChainError } from './errors.ts';
import { fromHex, toHex } from './hex.ts';
import { MAX_BODY_BYTES, MAX_HEADER_BYTES } from './limits.ts';
import { ChainId, Height, parse } from './schema.ts';
import type { ChainId as Chain, SealedBlock } from './types.ts';

const base64Length = (bytes: number) => 4 * Math.ceil(bytes / 3);
const hex = (bytes: number) =>
  z
    .string()
    .regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`), `expected ${bytes} bytes of lowercase hex`);

export const WireBlock = z.strictObject({
  chain: ChainId,
  height: Height,
  hash: hex(32),
  headerBytes: z.string().max(base64Length(MAX_HEADER_BYTES)),
  bodyBytes: z.string().max(base64Length(MAX_BODY_BYTES)),
  signature: hex(64),
});
export type WireBlock = z.infer<typeof WireBlock>;

export function toWire(block: OpenedBlock): WireBlock {
  const { chain, height } = block.header;
  return {
    chain,
    height,
    hash: toHex(block.hash),
    headerBytes: toBase64(block.sealed.header),
    bodyBytes: toBase64(block.sealed.body),
    signature: toHex(block.sealed.signature),
  };
}

/**
 * Opens a block out of JSON; nothing that the JSON says is believed.
 * @throws ChainError WIRE_INVALID, HASH_MISMATCH, and as `openBlock`
 */
export function fromWire(json: unknown): OpenedBlock {
  const wire = parse(WireBlock, json, 'WIRE_INVALID');
  const where = { chain: wire.chain, height: wire.height };
  let sealed: SealedBlock;
  try {
    sealed = {
      header: fromBase64(wire.headerBytes),
      body: fromBase64(wire.bodyBytes),
      signature: fromHex(wire.signature),
    };
  } catch (cause) {
    throw new ChainError('WIRE_INVALID', { ...where, reason: 'expected base64' }, { cause });
  }
  const block = openBlockAs(fromHex(wire.hash), sealed);
  if (block.header.chain !== wire.chain || block.header.height !== wire.height) {
    throw new ChainError('WIRE_INVALID', { ...where, reason: 'not the chain and height it names' });
  }
  return block;
}

/** Byte strings as hex, everything else as it is. */
export type Readable<T> = T extends Uint8Array
  ? string
  : T extends readonly (infer Item)[]
    ? Readable<Item>[]
    : T extends object
      ? { [Key in keyof T]: Readable<T[Key]> }
      : T;

export interface ReadableBlock {
  chain: Chain;
  height: number;
  hash: string;
  header: Readable<OpenedBlock['header']>;
  body: Readable<OpenedBlock['body']>;
  signature: string;
}

export function readableBlock(block: OpenedBlock): ReadableBlock {
  const { chain, height } = block.header;
  return {
    chain,
    height,
    hash: toHex(block.hash),
    header: readable(block.header),
    body: readable(block.body),
    signature: toHex(block.sealed.signature),
  };
}

export function readable<T>(value: T): Readable<T> {
  return toReadable(value) as Readable<T>;
}

function toReadable(value: unknown): unknown {
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return value.map(toReadable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, toReadable(item)]));
}
