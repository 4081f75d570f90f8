/** Every way to be refused, by the code that names it. The cases are the specification. */
import { openBlock, openBlockAs } from '@blyan/chain/block';
import { checkAgainst, checkAuthor, checkHistory, openCheckpoint } from '@blyan/chain/checkpoint';
import { decode } from '@blyan/chain/codec';
import { ChainError } from '@blyan/chain/errors';
import { verifyFile } from '@blyan/chain/file';
import { fromHex, toHex } from '@blyan/chain/hex';
import { fromWire } from '@blyan/chain/json';
import { resolveModel } from '@blyan/chain/model';
import { verifyTensor } from '@blyan/chain/tensor';
import type { ChainVerifier } from '@blyan/chain/verify';
import { describe, expect, test } from 'vitest';
import chain from '../vectors/chain.json';
import cases from '../vectors/forgeries.json';
import { bytesOf, type Forgery, sealedOf, verifierAt } from './support.ts';

const forgeries = cases as unknown as Forgery[];

function prepare(forgery: Forgery): ChainVerifier | undefined {
  if (!('after' in forgery)) return undefined;
  const verifier = verifierAt(chain, forgery.after);
  for (const sealed of forgery.also ?? []) verifier.accept(sealedOf(sealed));
  return verifier;
}

/** What must not change when a block is refused. */
function stateOf(verifier: ChainVerifier): unknown {
  return (['A', 'B', 'L'] as const).map((id) => ({
    hashes: verifier.blocks(id).map((block) => toHex(block.hash)),
    log: toHex(verifier.logRoot(id, verifier.size(id))),
    keys: verifier.blocks('A').map((block) => verifier.authorities.at(block.hash)),
    head: verifier.authorities.head,
  }));
}

function attempt(forgery: Forgery, verifier: ChainVerifier): void {
  const model = (hash: string) => verifier.require(fromHex(hash), 'model');
  switch (forgery.op) {
    case 'accept':
      verifier.accept(sealedOf(forgery.sealed));
      return;
    case 'append':
      verifier.append(sealedOf(forgery.sealed));
      return;
    case 'require':
      verifier.require(fromHex(forgery.hash), forgery.type);
      return;
    case 'model':
      resolveModel(model(forgery.model), verifier);
      return;
    case 'tensor':
      verifyTensor({
        block: verifier.require(fromHex(forgery.block), 'layer'),
        tensor: forgery.tensor,
        bytes: bytesOf(forgery.bytes),
        leaves: forgery.leaves === undefined ? undefined : fromHex(forgery.leaves),
      });
      return;
    case 'file': {
      const { files } = model(forgery.model).body;
      const file = files.find((entry) => entry.path === forgery.path)!;
      verifyFile(forgery.copied ? { ...file } : file, bytesOf(forgery.bytes));
      return;
    }
    case 'checkpointAuthor':
      checkAuthor(openCheckpoint(fromHex(forgery.bytes)), verifier);
      return;
    case 'checkpointHistory':
      checkHistory(openCheckpoint(fromHex(forgery.bytes)), verifier);
      return;
    default:
      attemptAlone(forgery);
  }
}

/** Attempts that need no chain. */
function attemptAlone(forgery: Forgery): void {
  switch (forgery.op) {
    case 'decode':
      decode(bytesOf(forgery.bytes), forgery.bound);
      return;
    case 'open':
      openBlock(sealedOf(forgery.sealed));
      return;
    case 'openAs':
      openBlockAs(fromHex(forgery.hash), sealedOf(forgery.sealed));
      return;
    case 'wire':
      fromWire(forgery.json);
      return;
    case 'checkpoint':
      openCheckpoint(fromHex(forgery.bytes));
      return;
    case 'checkpointAgainst': {
      const [older, newer] = [forgery.older, forgery.newer].map((hex) =>
        openCheckpoint(fromHex(hex)),
      );
      checkAgainst(older!, newer!, forgery.proof.map(fromHex));
      return;
    }
    default:
      throw new Error(`no such operation: ${forgery.op}`);
  }
}

function errorOf(work: () => void): unknown {
  try {
    work();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('forgeries', () => {
  test.each(forgeries)('$name: $comment', (forgery) => {
    const verifier = prepare(forgery);
    const before = verifier && stateOf(verifier);
    const error = errorOf(() => (verifier ? attempt(forgery, verifier) : attemptAlone(forgery)));
    expect(error).toBeInstanceOf(ChainError);
    expect(error).toMatchObject({ code: forgery.code, details: forgery.details ?? {} });
    if (verifier) expect(stateOf(verifier)).toEqual(before);
  });

  test('a message names chain, height, tensor and chunk', () => {
    const forgery = forgeries.find(({ name }) => name === 'flipped-bit')!;
    const error = errorOf(() => attempt(forgery, prepare(forgery)!)) as ChainError;
    expect(error.message).toContain('chain B, height 1, tensor embed.weight, chunk 1');
    expect(error.retry).toBe(true);
  });
});
