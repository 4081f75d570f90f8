/** What a marked part of a block's bytes says, in words. */
import type { Span } from '@blyan/chain/codec-spans';
import { toHex } from '@blyan/chain/hex';

/** Fields of headers and bodies: docs/chain.md in a few words. */
const NOTES: Record<string, string> = {
  v: 'version of the header',
  chain: 'A, B or L',
  height: 'number of blocks below it',
  prev: 'hash of the block below',
  time: 'milliseconds since 1970',
  type: 'what the body holds',
  body: 'hash of the body',
  bodyLength: 'bytes of the body',
  anchor: 'head of chain A as the author saw it: who may write is read there',
  log: 'Merkle root over all earlier blocks of this chain',
  author: 'Ed25519 public key',
  group: 'which layer of the model',
  tensors: 'descriptors of the tensors',
  root: 'Merkle root of the bytes',
  shape: 'sizes, row-major',
  dtype: 'type in the checkpoint',
  format: 'how it is stored',
  byteLength: 'stored bytes',
  leafSize: 'bytes of a chunk',
  source: 'where the checkpoint has it',
  offset: 'first byte in the checkpoint file',
  length: 'bytes in the checkpoint file',
  file: 'SHA-256 of the checkpoint file',
  recipe: 'how the stored bytes were made',
  sha256: 'SHA-256 of the file',
  layers: 'layer blocks, in order',
  block: 'hash of a block',
  authorities: 'keys that may write',
  network: 'name of the network',
};

export function meaningOf(span: Span): { path: string; text: string; note: string | null } {
  const { path, kind, value } = span;
  const name = path.findLast((part) => typeof part === 'string') ?? '';
  const shown = path.length === 0 ? 'the whole' : path.join('.');
  if (kind === 'head') {
    return { path: shown, text: `${String(value)} entries`, note: 'beginning of a map or list' };
  }
  if (kind === 'key') return { path: shown, text: JSON.stringify(value), note: 'name of a field' };
  return { path: shown, text: textOf(value), note: NOTES[name] ?? null };
}

function textOf(value: Span['value']): string {
  if (value instanceof Uint8Array) return toHex(value);
  return typeof value === 'string' ? JSON.stringify(value) : String(value);
}
