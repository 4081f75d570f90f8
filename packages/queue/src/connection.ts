/**
 * Connections to Redis. Whoever calls `connect` owns the connection and ends it with `disconnect`;
 * nothing here is shared behind the caller's back.
 */
import { Redis } from 'ioredis';

/** What this package needs of a logger; pino's fits. */
export interface QueueLogger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export type { Redis };

export interface ConnectOptions {
  /** Shown by CLIENT LIST, e.g. `coordinator:nodes`. */
  name: string;
  logger: QueueLogger;
  /**
   * `request`: commands fail when Redis does not answer in time, so that whoever asked hears of it
   * (`isUnreachable` knows these failures). Default: they wait for Redis without end, as BullMQ's
   * workers, blocking reads and subscriptions need it.
   */
  use?: 'request';
  /** Certificate of who signed the server's, PEM; without it the machine's own list counts. */
  ca?: string | undefined;
}

/**
 * A request waits no longer for Redis than this, its place in the queue of a broken connection
 * included: longer than a restart of Redis takes, shorter than a reader waits for a page.
 */
const COMMAND_TIMEOUT_MS = 3000;
/** Reconnects after which waiting commands fail: about as long as the timeout, so none piles up. */
const MAX_RETRIES_PER_REQUEST = 5;

/** Pause of a BullMQ worker whose Redis failed; its own 15 s would be longer than a restart takes. */
export const WORKER_RETRY_MS = 500;

/** Longest pause between two tries to reconnect: a restarted Redis is found within a second. */
const MAX_RECONNECT_PAUSE_MS = 1000;
/** The log gets one line per outage and then one per this many failed tries. */
const LOG_EVERY_TRIES = 30;
/** A connection that cannot say goodbye within this time is cut. */
const QUIT_TIMEOUT_MS = 1000;

/** Pause in ms before try 1, 2, ... to reconnect. */
export const reconnectPause = (tries: number): number =>
  Math.min(50 * 2 ** Math.min(tries - 1, 5), MAX_RECONNECT_PAUSE_MS);

/** Of every connection of ours: it reconnects without end, and its commands wait for that. */
export const connectOptions = (name: string) => ({
  connectionName: name,
  maxRetriesPerRequest: null,
  // Sent at each connect otherwise; Redis before 7.2 answers it with an error.
  disableClientInfo: true,
  retryStrategy: reconnectPause,
});

/** Logs the outages of a connection, few lines each; without a listener an error would be thrown. */
export function logConnection(redis: Redis, name: string, logger: QueueLogger): void {
  let failures = 0;
  redis.on('error', (error: Error) => {
    if (failures % LOG_EVERY_TRIES === 0) {
      logger.warn(
        { connection: name, problem: error.message },
        'Redis connection failed, retrying',
      );
    }
    failures += 1;
  });
  redis.on('ready', () => {
    if (failures > 0) logger.info({ connection: name, failures }, 'Redis connection is back');
    failures = 0;
  });
}

/** Opens a connection that reconnects without end. Errors are logged, never thrown as events. */
export function connect(url: string, { name, logger, use, ca }: ConnectOptions): Redis {
  const redis = new Redis(url, {
    ...connectOptions(name),
    ...(use === 'request'
      ? { maxRetriesPerRequest: MAX_RETRIES_PER_REQUEST, commandTimeout: COMMAND_TIMEOUT_MS }
      : {}),
    ...(ca !== undefined && { tls: { ca } }),
  });
  logConnection(redis, name, logger);
  return redis;
}

/** ioredis gives these failures no class or code of their own, but for the second one. */
const UNREACHABLE =
  /^(Command timed out|Reached the max retries per request limit|Connection is closed|Stream isn't writeable)/;

/** Whether a command failed because Redis cannot be reached, or does not answer, right now. */
export const isUnreachable = (error: unknown): boolean =>
  error instanceof Error && UNREACHABLE.test(error.message);

/** Ends a connection: politely if Redis answers, at once otherwise. */
export async function disconnect(redis: Redis): Promise<void> {
  if (redis.status === 'end') return;
  if (redis.status === 'ready') {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, QUIT_TIMEOUT_MS);
    });
    await Promise.race([redis.quit().catch(() => undefined), late]);
    clearTimeout(timer);
  }
  redis.disconnect();
}

/** Another one after each restart of the server. */
export async function serverId(redis: Redis): Promise<string> {
  return /^run_id:(\w+)/m.exec(await redis.info('server'))?.[1] ?? '';
}

/** Whether Redis answers within the time given; for readiness checks. */
export async function answers(redis: Redis, timeoutMs = 1000): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), timeoutMs);
  });
  const pong = redis.ping().then(
    () => true,
    () => false,
  );
  try {
    return await Promise.race([pong, late]);
  } finally {
    clearTimeout(timer);
  }
}
