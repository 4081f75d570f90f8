/**
 * Writes `vectors/chain.json` and `vectors/forgeries.json` (`npm run vectors`). Everything is fixed
 * (keys, times), so that a second run writes the same bytes; a difference is a change of the
 * specification.
 */
import { writeFileSync } from 'node:fs';
import { growChain } from './chain.ts';
import { forgeForms } from './forms.ts';
import { forgeWeights } from './weights.ts';
import { openBlock } from '@blyan/chain/block';
import { bodyHash } from '@blyan/chain/body';
import { signCheckpoint } from '@blyan/chain/checkpoint';
import { encode } from '@blyan/chain/codec';
import { createGenesis, deriveGenesis } from '@blyan/chain/genesis';
import { blockHash } from '@blyan/chain/header';
import { toHex } from '@blyan/chain/hex';
import { toWire } from '@blyan/chain/json';
import { publicKeyOf, sign } from '@blyan/chain/keys';
import { MAX_BODY_BYTES } from '@blyan/chain/limits';
import { LEAF_SIZE, leafHashes, rootOfBytes } from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import type {
  BlockType,
  ChainId,
  ModelBody,
  SealedBlock,
  TensorDescriptor,
} from '@blyan/chain/types';
import { ChainVerifier } from '@blyan/chain/verify';
import {
  type BlockVector,
  type Bytes,
  bytesOf,
  type ChainVectors,
  type Forgery,
  type SealedVector,
} from '../../support.ts';
import { CONFIG, flip, key, layer, type Name, NAMES, type Scenario, secret, START, tensor, vectorOf, WEIGHTS, newScenario } from './scenario.ts';

const scenario = newScenario();
const { genesis, verifier, blocks, forgeries } = scenario;
const marks = growChain(scenario);
forgeForms(scenario);
forgeWeights(scenario, marks);

const chain: ChainVectors = {
  genesis: toHex(genesis.hash),
  keys: Object.fromEntries(
    NAMES.map((name) => [name, { secretKey: toHex(secret(name)), publicKey: toHex(key(name)) }]),
  ),
  blocks,
  logs: {
    A: toHex(verifier.logRoot('A', verifier.size('A'))),
    B: toHex(verifier.logRoot('B', verifier.size('B'))),
    L: toHex(verifier.logRoot('L', 1)),
  },
};
const out = (name: string, value: unknown) =>
  writeFileSync(
    new URL(`../../vectors/${name}.json`, import.meta.url),
    `${JSON.stringify(value, null, 1)}\n`,
  );
out('chain', chain);
out('forgeries', forgeries);
