/** Wires the clients that requests use. Made at the first use and kept for the process. */
import { readFileSync } from 'node:fs';
import { createDb } from '@blyan/db/client';
import { AnswerReader } from '@blyan/queue/answer-reader';
import { connect, type QueueLogger, type Redis } from '@blyan/queue/connection';
import { IntakeQueue } from '@blyan/queue/intake';
import { BlobStore } from '@blyan/store/blob-store';
import { type Logger, pino } from 'pino';
import { type Config, readEnvironment } from '../env.ts';
import { type Auth, createAuth } from './admin/auth.ts';
import { createParsed, type Parsed } from './chain/parsed.ts';
import { type Admission, type AdmissionDeps, UNLIMITED } from './limits/admission.ts';
import { Callers } from './limits/callers.ts';
import { WaitingPlaces } from './limits/line.ts';
import { Rates } from './limits/rates.ts';
import { ModelCatalog } from './model/catalog.ts';
import { type Stopping, stopOnSignal } from './stopping.ts';

export interface Context {
  config: Config;
  logger: Logger;
  db: ReturnType<typeof createDb>;
  redis: Redis;
  /** Where the traffic of nodes is; may be the same server. */
  nodeRedis: Redis;
  /** Certificate of who signed that server's, PEM. */
  nodeRedisCa: string | undefined;
  intake: IntakeQueue;
  answers: AnswerReader;
  /** Opened at the first use, because opening sweeps the directory. */
  store: () => Promise<BlobStore>;
  models: ModelCatalog;
  /** What pages of the explorer read again and again. */
  parsed: Parsed;
  /** Null: there is no secret for sessions, and nobody can sign in. */
  auth: Auth | null;
  stopping: Stopping;
  limits: AdmissionDeps;
  /** Of the request that is worked on; each has a context of its own where limits are looked at. */
  admission: Admission;
}

export function createContext(config: Config): Context {
  const logger = pino({ level: config.logLevel, base: { part: 'web' } });
  const queueLogger: QueueLogger = logger;
  const db = createDb(config.databaseUrl);
  const redis = connect(config.redisUrl, { name: 'web', logger: queueLogger, use: 'request' });
  const nodeRedisCa = config.nodeRedisCaFile
    ? readFileSync(config.nodeRedisCaFile, 'utf8')
    : undefined;
  const nodeRedis = connect(config.nodeRedisUrl, {
    name: 'web:nodes',
    logger: queueLogger,
    use: 'request',
    ca: nodeRedisCa,
  });
  // BullMQ gives up for good on a connection that fails while it is being set up.
  const announcer = connect(config.redisUrl, { name: 'web:intake', logger: queueLogger });
  let opened: Promise<BlobStore> | undefined;
  const store = () => {
    opened ??= BlobStore.open(config.blobDir).catch((error) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
  return {
    config,
    logger,
    db,
    redis,
    nodeRedis,
    nodeRedisCa,
    intake: new IntakeQueue({ redis: announcer, logger: queueLogger }),
    answers: AnswerReader.open({ url: config.redisUrl, logger: queueLogger }),
    store,
    models: new ModelCatalog({ modelName: config.modelName }, { db, store }),
    parsed: createParsed(),
    auth: createAuth(config, db),
    stopping: stopOnSignal(),
    limits: {
      callers: new Callers(config, { db }),
      rates: new Rates(redis),
      places: new WaitingPlaces(config, { db }),
    },
    admission: UNLIMITED,
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
