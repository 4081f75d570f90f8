/** From blocks to verified bytes, and what a checkpoint holds a chain to. */
import {
  checkAgainst,
  checkAuthor,
  checkHistory,
  openCheckpoint,
  signCheckpoint,
} from '@blyan/chain/checkpoint';
import { VerifiedFile, verifyFile } from '@blyan/chain/file';
import { fromHex, toHex } from '@blyan/chain/hex';
import { LEAF_SIZE, leafHashes } from '@blyan/chain/merkle';
import { resolveModel } from '@blyan/chain/model';
import { TensorCheck, VerifiedTensor, verifyTensor } from '@blyan/chain/tensor';
import { describe, expect, test } from 'vitest';
import chain from '../vectors/chain.json';
import { bytesOf, verifierAt } from './support.ts';

const verifier = verifierAt(chain, chain.blocks.at(-1)!.name);
const model = verifier.require(verifier.at('A', 1)!.hash, 'model');
const [embedding] = resolveModel(model, verifier);
const block = embedding!;
const tensor = 'embed.weight';
const bytes = bytesOf({ pattern: 2 * LEAF_SIZE + 1000 });
const leaves = leafHashes(bytes);

describe('weights', () => {
  test('a model names its layer blocks in order', () => {
    const groups = resolveModel(model, verifier).map((layer) => layer.body.group);
    expect(groups).toEqual(['embedding', 'layer.0', 'norm']);
  });

  test('a tensor is verified in place, with and without its leaves', () => {
    for (const verified of [
      verifyTensor({ block, tensor, bytes }),
      verifyTensor({ block, tensor, bytes, leaves }),
    ]) {
      expect(VerifiedTensor.isVerified(verified)).toBe(true);
      expect(verified.bytes).toBe(bytes);
      expect(verified.descriptor.name).toBe(tensor);
      expect(verified.block).toEqual({ chain: 'B', height: 1, hash: block.hash });
    }
  });

  test('chunk by chunk, and the whole is hashed again at the end', () => {
    const check = new TensorCheck(block, tensor, leaves);
    expect(check.chunks).toBe(3);
    for (const chunk of [2, 0, 1]) {
      check.checkChunk(chunk, bytes.subarray(chunk * LEAF_SIZE, (chunk + 1) * LEAF_SIZE));
    }
    expect(() => check.checkChunk(0, bytes.subarray(1, LEAF_SIZE + 1))).toThrow(
      expect.objectContaining({ code: 'LEAF_MISMATCH' }),
    );
    expect(() => check.checkChunk(3, bytes)).toThrow(RangeError);
    const changed = bytes.slice();
    changed[LEAF_SIZE]! ^= 1;
    expect(() => check.finish(changed)).toThrow(
      expect.objectContaining({
        code: 'LEAF_MISMATCH',
        details: expect.objectContaining({ chunk: 1 }),
      }),
    );
    expect(check.finish(bytes).bytes).toBe(bytes);
  });

  test('memory that another thread could change is not verified', () => {
    if (typeof SharedArrayBuffer === 'undefined') return;
    const shared = new Uint8Array(new SharedArrayBuffer(bytes.length));
    shared.set(bytes);
    expect(() => verifyTensor({ block, tensor, bytes: shared })).toThrow(TypeError);
    expect(() => verifyTensor({ block, tensor, bytes: shared, leaves })).toThrow(TypeError);
  });

  test('only verification makes a VerifiedTensor or a VerifiedFile', () => {
    // @ts-expect-error the constructor is private
    expect(() => new VerifiedTensor(Symbol(), bytes, {}, {})).toThrow(TypeError);
    // @ts-expect-error the constructor is private
    expect(() => new VerifiedFile(Symbol(), bytes, {}, {})).toThrow(TypeError);
    // @ts-expect-error a plain object is no verified tensor
    const faked: VerifiedTensor = { bytes, descriptor: block.body.tensors[0]!, block: block.ref };
    expect(VerifiedTensor.isVerified(faked)).toBe(false);
  });

  test('a file of a model block is bytes that know their block', () => {
    const [file] = model.body.files;
    const text = new TextEncoder().encode('{"model_type":"qwen3"}');
    const verified = verifyFile(file!, text);
    expect(verified).toBeInstanceOf(VerifiedFile);
    expect(verified.buffer).toBe(text.buffer);
    expect(verified.file).toBe(file);
    expect(verified.block.height).toBe(1);
    expect(JSON.parse(new TextDecoder().decode(verified))).toEqual({ model_type: 'qwen3' });
    expect(verified.subarray(1)).not.toBeInstanceOf(VerifiedFile);
  });
});

describe('checkpoints', () => {
  const secretKey = fromHex(chain.keys.alice.secretKey);
  const at = (size: number) =>
    openCheckpoint(
      signCheckpoint(
        {
          chain: 'B',
          size,
          head: verifier.at('B', size - 1)!.hash,
          log: verifier.logRoot('B', size),
          time: 1,
        },
        secretKey,
      ),
    );

  test('a grown chain contains each of its older checkpoints', () => {
    const newer = at(verifier.size('B'));
    for (let size = 1; size <= verifier.size('B'); size++) {
      const older = at(size);
      checkAgainst(older, newer, verifier.consistencyProof('B', size));
      checkHistory(older, verifier);
    }
    checkAuthor(newer, verifier);
    expect(toHex(openCheckpoint(newer.bytes).checkpoint.author)).toBe(chain.keys.alice.publicKey);
  });
});
