import { toHex } from '@blyan/chain/hex';
import { createDb } from '@blyan/db/client';
import { BlobStore } from '@blyan/store/blob-store';
import { commandEnv, runCommand } from './command.ts';
import { initChains } from './init-chains.ts';

await runCommand(async () => {
  const env = commandEnv();
  const db = createDb(env.DATABASE_URL);
  try {
    const genesis = await initChains(
      { dataDir: env.BLYAN_DATA_DIR, network: env.BLYAN_NETWORK, time: Date.now() },
      { db },
    );
    await (await BlobStore.open(env.BLYAN_BLOB_DIR)).protect();
    const what = genesis.created ? 'created' : 'found';
    process.stdout.write(
      `network ${genesis.network}: genesis ${what}, ${toHex(genesis.hash)}\nauthority ${genesis.publicKey}\n`,
    );
  } finally {
    await db.$disconnect();
  }
});
