/** Wires the coordinator from its configuration; disposing stops it. */
import { createDb } from '@blyan/db/client';
import { BlobStore } from '@blyan/store/blob-store';
import { pino } from 'pino';
import { ChainModels } from './chain-models.ts';
import type { Config } from './config.ts';
import { startService } from './service.ts';

export async function createContext(config: Config) {
  const logger = pino({ level: config.logLevel, base: { app: 'coordinator' } });
  const db = createDb(config.databaseUrl);
  try {
    const store = await BlobStore.open(config.blobDir);
    const models = new ChainModels({ db, store, name: config.model });
    const service = await startService(config, { db, models, blobs: store, logger });
    logger.info({}, 'coordinator is running');
    return {
      logger,
      async [Symbol.asyncDispose]() {
        await service[Symbol.asyncDispose]();
        await db.$disconnect();
        logger.info({}, 'coordinator has stopped');
      },
    };
  } catch (error) {
    await db.$disconnect();
    throw error;
  }
}
