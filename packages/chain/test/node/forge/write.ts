/**
 * Writes `chain.json`, `forgeries.json` and `walks.json` to `vectors/` (`npm run vectors`). Everything is fixed
 * (keys, times), so that a second run writes the same bytes; a difference is a change of the
 * specification.
 */
import { writeFileSync } from 'node:fs';
import { toHex } from '@blyan/chain/hex';
import type { ChainVectors } from '../../support.ts';
import { growChain } from './chain.ts';
import { forgeForms } from './forms.ts';
import { key, NAMES, newScenario, secret } from './scenario.ts';
import { recordWalks } from './walks.ts';
import { forgeWeights } from './weights.ts';

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
    new URL(`../../../vectors/${name}.json`, import.meta.url),
    `${JSON.stringify(value, null, 1)}\n`,
  );
out('chain', chain);
out('forgeries', forgeries);
out('walks', recordWalks(scenario));
