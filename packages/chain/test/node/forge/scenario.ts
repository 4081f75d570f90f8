import { bodyHash } from '@blyan/chain/body';
import { encode } from '@blyan/chain/codec';
import { createGenesis } from '@blyan/chain/genesis';
import { blockHash } from '@blyan/chain/header';
import { toHex } from '@blyan/chain/hex';
import { publicKeyOf, sign } from '@blyan/chain/keys';
import { LEAF_SIZE, rootOfBytes } from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import type {
  BlockType,
  ChainId,
  ModelBody,
  SealedBlock,
  TensorDescriptor,
} from '@blyan/chain/types';
import { ChainVerifier } from '@blyan/chain/verify';
import type { BlockVector, Bytes, Forgery, SealedVector } from '../../support.ts';

export const START = Date.UTC(2026, 0, 1);
export const NAMES = ['alice', 'bob', 'carol', 'mallory'] as const;
export type Name = (typeof NAMES)[number];
export const secret = (name: Name) => new Uint8Array(32).fill(NAMES.indexOf(name) + 1);
export const key = (name: Name) => publicKeyOf(secret(name));

export const WEIGHTS: Bytes = { pattern: 2 * LEAF_SIZE + 1000 };
export const CONFIG = new TextEncoder().encode('{"model_type":"qwen3"}');

export function tensor(name: string, bytes: Uint8Array): TensorDescriptor {
  const root = rootOfBytes(bytes);
  return {
    name,
    role: 'weight',
    dtype: 'bf16',
    shape: [bytes.length / 2],
    format: 'bf16',
    byteLength: bytes.length,
    leafSize: LEAF_SIZE,
    root,
    source: { file: sha256(bytes), offset: 0, length: bytes.length, root },
    recipe: { name: 'raw', version: 1 },
  };
}

export const vectorOf = ({ header, body, signature }: SealedBlock): SealedVector => ({
  header: toHex(header),
  body: toHex(body),
  signature: toHex(signature),
});

export const layer = (group: string, tensors = [tensor(`${group}.weight`, CONFIG)]) => ({
  group,
  tensors,
});

export const flip = (bytes: Uint8Array, i: number) =>
  bytes.map((byte, j) => (i === j ? byte ^ 1 : byte));

export type Scenario = ReturnType<typeof newScenario>;

export function newScenario() {
  const genesis = createGenesis({
    network: 'vectors',
    authorities: [key('alice'), key('bob')],
    time: START,
    secretKey: secret('alice'),
  });
  const verifier = new ChainVerifier({ genesis: genesis.hash });
  const blocks: BlockVector[] = [];
  const forgeries: Forgery[] = [];

  function add(comment: string, sealed: SealedBlock): void {
    const block = verifier.append(sealed);
    const name = `${block.chain}${block.height}`;
    blocks.push({ name, comment, hash: toHex(block.hash), ...vectorOf(sealed) });
  }

  /** A right next block of a chain, but for what `change` says. Bodies of it may be of any form. */
  function next(
    chain: ChainId,
    type: BlockType,
    body: unknown,
    author: Name,
    change: Record<string, unknown> = {},
  ): SealedBlock {
    const height = (change.height as number | undefined) ?? verifier.size(chain);
    const below = verifier.at(chain, Math.min(height, verifier.size(chain)) - 1);
    const bytes = body instanceof Uint8Array ? body : encode(body);
    const header = encode({
      v: 1,
      chain,
      height,
      prev: below?.hash ?? null,
      time: (below?.header.time ?? START) + 1000,
      type,
      body: bodyHash(bytes),
      bodyLength: bytes.length,
      anchor: chain === 'A' ? null : (verifier.head('A')?.hash ?? null),
      log: verifier.logRoot(chain, Math.max(0, Math.min(height, verifier.size(chain)))),
      author: key(author),
      ...change,
    });
    return { header, body: bytes, signature: sign(blockHash(header), secret(author)) };
  }

  const model = (change: Partial<ModelBody> = {}): ModelBody => ({
    name: 'demo',
    family: 'qwen3',
    parameters: 1000,
    files: [
      {
        path: 'config.json',
        byteLength: CONFIG.length,
        sha256: sha256(CONFIG),
        root: rootOfBytes(CONFIG),
      },
    ],
    layers: [1, 2, 3].map((height) => {
      const block = verifier.at('B', height)!;
      return { group: (block.body as { group: string }).group, block: block.hash };
    }),
    recipe: { name: 'raw', version: 1 },
    source: {
      repository: 'example/demo',
      revision: null,
      files: [{ path: 'model.safetensors', byteLength: 4, sha256: sha256() }],
    },
    ...change,
  });

  const at = () => blocks.at(-1)!.name;
  const refuse = (
    code: string,
    op: 'accept' | 'append',
    name: string,
    comment: string,
    s: SealedBlock,
  ) => forgeries.push({ name, comment, code, op, after: at(), sealed: vectorOf(s) });

  return { genesis, verifier, blocks, forgeries, add, next, model, at, refuse };
}
