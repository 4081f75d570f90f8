/** The valid chain of the vectors: what it holds, and that nothing in it can be changed. */
import { isType, openBlock, sealBlock } from '@blyan/chain/block';
import { ChainError } from '@blyan/chain/errors';
import { createGenesis, derivedGenesisHash } from '@blyan/chain/genesis';
import { equalBytes, fromHex, toHex } from '@blyan/chain/hex';
import { fromWire, readableBlock, toWire } from '@blyan/chain/json';
import { generateKeyPair } from '@blyan/chain/keys';
import { leafHash, verifyConsistency, verifyInclusion } from '@blyan/chain/merkle';
import { VerifiedBlock } from '@blyan/chain/verify';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import chain from '../vectors/chain.json';
import { sealedOf, verifierAt } from './support.ts';

const CHAINS = ['A', 'B', 'L'] as const;
const last = chain.blocks.at(-1)!.name;
const secretOf = (author: string) =>
  fromHex(Object.values(chain.keys).find(({ publicKey }) => publicKey === author)!.secretKey);

describe('the chain of the vectors', () => {
  const verifier = verifierAt(chain, last);

  test.each(chain.blocks)('$name: $comment', (vector) => {
    const block = verifier.byHash(fromHex(vector.hash))!;
    expect(VerifiedBlock.isVerified(block)).toBe(true);
    expect(`${block.chain}${block.height}`).toBe(vector.name);
    // Sealing is deterministic: the same fields and key give the same bytes and signature.
    const { header, body } = block;
    const { author: _, v: __, bodyLength: ___, ...fields } = header;
    const again = sealBlock({ ...fields, body, secretKey: secretOf(toHex(header.author)) });
    expect(toHex(again.header)).toBe(vector.header);
    expect(toHex(again.body)).toBe(vector.body);
    expect(toHex(again.signature)).toBe(vector.signature);
    expect(toHex(again.hash)).toBe(vector.hash);
  });

  test('one pinned hash fixes all three chains', () => {
    const [a, b, l] = CHAINS.map((id) => verifier.at(id, 0)!);
    expect(toHex(a!.hash)).toBe(chain.genesis);
    expect(toHex(derivedGenesisHash(a!, 'B'))).toBe(toHex(b!.hash));
    expect(toHex(derivedGenesisHash(a!, 'L'))).toBe(toHex(l!.hash));
  });

  test('log roots, and proofs of every block and every older size', () => {
    for (const id of CHAINS) {
      const size = verifier.size(id);
      const root = verifier.logRoot(id, size);
      expect(toHex(root)).toBe(chain.logs[id]);
      for (let height = 0; height < size; height++) {
        const leaf = leafHash(verifier.at(id, height)!.hash);
        const proof = verifier.inclusionProof(id, height);
        expect(verifyInclusion({ leaf, index: height, size, proof, root })).toBe(true);
        const older = {
          oldSize: height,
          newSize: size,
          oldRoot: verifier.logRoot(id, height),
          newRoot: root,
          proof: verifier.consistencyProof(id, height),
        };
        expect(verifyConsistency(older)).toBe(true);
      }
    }
  });

  test('authorities are those of the anchor', () => {
    const names = (height: number) => {
      const { keys } = verifier.authorities.at(verifier.at('A', height)!.hash)!;
      return Object.entries(chain.keys)
        .filter(([, { publicKey }]) => keys.some((key) => toHex(key) === publicKey))
        .map(([name]) => name);
    };
    expect(names(1)).toEqual(['alice', 'bob']);
    expect(names(2)).toEqual(['alice', 'bob', 'carol']);
    expect(names(3)).toEqual(['alice', 'carol']);
    expect(names(5)).toEqual(['alice']);
  });

  test('a known block is taken again without a change', () => {
    const head = verifier.head('B')!;
    expect(verifier.accept(head.sealed)).toBe(head);
    expect(verifier.size('B')).toBe(head.height + 1);
  });

  test('a verified body is frozen, and the caller’s buffers are not kept', () => {
    const fresh = verifierAt(chain, 'A0');
    const sealed = sealedOf(chain.blocks[1]!);
    const block = fresh.accept(sealed);
    sealed.header.fill(0);
    expect(toHex(block.sealed.header)).toBe(chain.blocks[1]!.header);
    const [model] = verifier.blocks('A').filter((entry) => entry.isType('model'));
    expect(Object.isFrozen(model!.body)).toBe(true);
    expect(() => Object.assign(model!.header, { height: 7 })).toThrow(TypeError);
  });

  test('only verification makes a VerifiedBlock', () => {
    const opened = openBlock(sealedOf(chain.blocks[0]!));
    // @ts-expect-error the constructor is private
    expect(() => new VerifiedBlock(Symbol(), opened)).toThrow(TypeError);
    expect(VerifiedBlock.isVerified(opened)).toBe(false);
    expect(VerifiedBlock.isVerified(Object.create(VerifiedBlock.prototype))).toBe(false);
  });
});

describe('tampering', () => {
  test('any changed byte of any block is refused, and changes nothing', () => {
    const parts = fc.constantFrom('header', 'body', 'signature') as fc.Arbitrary<
      'header' | 'body' | 'signature'
    >;
    fc.assert(
      fc.property(
        fc.nat(chain.blocks.length - 1),
        parts,
        fc.nat(),
        fc.integer({ min: 1, max: 255 }),
        (index, part, at, mask) => {
          const before = index === 0 ? '' : chain.blocks[index - 1]!.name;
          const verifier = verifierAt(chain, before);
          const sealed = sealedOf(chain.blocks[index]!);
          sealed[part][at % sealed[part].length]! ^= mask;
          const sizes = CHAINS.map((id) => verifier.size(id));
          expect(() => verifier.accept(sealed)).toThrow(ChainError);
          expect(CHAINS.map((id) => verifier.size(id))).toEqual(sizes);
          expect(verifier.accept(sealedOf(chain.blocks[index]!)).hash).toEqual(
            fromHex(chain.blocks[index]!.hash),
          );
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('JSON', () => {
  test('every block goes round through its wire form', () => {
    for (const vector of chain.blocks) {
      const block = openBlock(sealedOf(vector));
      const wire: unknown = JSON.parse(JSON.stringify(toWire(block)));
      expect(fromWire(wire)).toEqual(block);
    }
  });

  test('the readable form shows hashes as hex', () => {
    const vector = chain.blocks.find(({ name }) => name === 'A1')!;
    const readable = readableBlock(openBlock(sealedOf(vector)));
    expect(readable).toMatchObject({ chain: 'A', height: 1, hash: vector.hash });
    expect(readable.header.anchor).toBe(null);
    expect(readable.body).toMatchObject({
      name: 'demo',
      layers: [{ group: 'embedding' }, { group: 'layer.0' }, { group: 'norm' }],
    });
    expect(JSON.parse(JSON.stringify(readable))).toEqual(readable);
  });
});

describe('a new network', () => {
  test('needs keys that can sign, and a writer among them', () => {
    const { publicKey, secretKey } = generateKeyPair();
    const input = { network: 'new', authorities: [publicKey], time: 1, secretKey };
    const genesis = createGenesis(input);
    expect(isType(genesis, 'genesis')).toBe(true);
    expect(equalBytes(genesis.header.author, publicKey)).toBe(true);
    const other = generateKeyPair().publicKey;
    expect(() => createGenesis({ ...input, authorities: [other] })).toThrow(RangeError);
    const broken = [publicKey, new Uint8Array(32)];
    expect(() => createGenesis({ ...input, authorities: broken })).toThrow(RangeError);
  });
});
