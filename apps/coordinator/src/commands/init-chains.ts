import { toHex } from '@blyan/chain/hex';
import { indexChains } from '@blyan/db/chain';
import type { Db } from '@blyan/db/client';
import { type Genesis, genesisHash, initGenesis } from '@blyan/db/genesis';
import { authorityKeyPath, createAuthorityKey, readAuthorityKey } from './authority-key.ts';
import { CommandError } from './command.ts';

/** Makes key and genesis blocks where there are none; what is there stays, and is indexed if it is not. */
export async function initChains(
  { dataDir, network, time }: { dataDir: string; network: string; time: number },
  { db }: { db: Db },
): Promise<Genesis & { publicKey: string }> {
  const path = authorityKeyPath(dataDir);
  let key = await readAuthorityKey(path);
  if (!key) {
    if (await genesisHash(db)) {
      throw new CommandError(
        `The database holds a network, but its authority key ${path} is missing. Put the file back, or start with an empty database.`,
      );
    }
    key = await createAuthorityKey(path);
  }
  const genesis = await initGenesis(db, { network, secretKey: key.secretKey, time });
  if (!genesis.authority) {
    throw new CommandError(
      `The key ${path} may not write to the network in this database. Put the network's own key there, or use another database.`,
    );
  }
  await indexChains(db);
  return { ...genesis, publicKey: toHex(key.publicKey) };
}
