/** Wires the clients that requests use. Made at the first use and kept for the process. */
import { setMaxListeners } from 'node:events';
import { createDb } from '@blyan/db/client';
import { AnswerReader } from '@blyan/queue/answer-reader';
import { connect, type QueueLogger, type Redis } from '@blyan/queue/connection';
import { IntakeQueue } from '@blyan/queue/intake';
import { BlobStore } from '@blyan/store/blob-store';
import { type Logger, pino } from 'pino';
import { type Config, readEnvironment } from '../env.ts';
import { ModelCatalog } from './model/catalog.ts';

export interface Context {
  config: Config;
  logger: Logger;
  db: ReturnType<typeof createDb>;
  redis: Redis;
  intake: IntakeQueue;
  answers: AnswerReader;
  /** Opened at the first use, because opening sweeps the directory. */
  store: () => Promise<BlobStore>;
  models: ModelCatalog;
  /** Aborted when this process is told to end: open streams end, and their readers come back. */
  shutdown: AbortSignal;
}

function createContext(config: Config): Context {
  const logger = pino({ level: config.logLevel, base: { part: 'web' } });
  const queueLogger: QueueLogger = logger;
  const db = createDb(config.databaseUrl);
  const redis = connect(config.redisUrl, { name: 'web', logger: queueLogger });
  let opened: Promise<BlobStore> | undefined;
  const store = () => {
    opened ??= BlobStore.open(config.blobDir).catch((error) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
  const stop = new AbortController();
  // One listener for each open stream is no leak.
  setMaxListeners(0, stop.signal);
  // Next.js closes the server on these signals and then waits for open responses.
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => stop.abort());
  return {
    config,
    logger,
    db,
    redis,
    intake: new IntakeQueue({ redis, logger: queueLogger }),
    answers: AnswerReader.open({ url: config.redisUrl, logger: queueLogger }),
    store,
    models: new ModelCatalog({ modelName: config.modelName }, { db, store }),
    shutdown: stop.signal,
  };
}

/**
 * Next.js bundles routes, pages and instrumentation apart from each other, so a module variable
 * would exist several times in one process: the framework's one reason for a global.
 */
const KEY = Symbol.for('blyan.web.context');
type Holder = { [KEY]?: Context };

export function context(): Context {
  const holder = globalThis as Holder;
  holder[KEY] ??= createContext(readEnvironment());
  return holder[KEY];
}
