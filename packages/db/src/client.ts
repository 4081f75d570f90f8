import { PrismaPg } from '@prisma/adapter-pg';
import { PrismaClient } from './generated/client.ts';

export type * from './generated/client.ts';
export { Prisma, PrismaClient } from './generated/client.ts';

/** Anything that runs queries: the client itself, or an open transaction of it. */
export type Db = PrismaClient;
export type Tx = Omit<
  PrismaClient,
  '$connect' | '$disconnect' | '$on' | '$use' | '$extends' | '$transaction'
>;

export interface DbOptions {
  /** Connections at most. Postgres allows 100 in all by default, and three apps share them. */
  poolSize?: number;
  queryTimeoutMs?: number;
}

const POOL_SIZE = 10;
/** A database that does not answer for this long is reported instead of waited for. */
const CONNECT_TIMEOUT_MS = 10_000;
/**
 * Our queries take milliseconds. Without a bound, one on a connection that is half open (the other
 * machine is gone without a word) would wait until TCP gives up, a quarter of an hour or more.
 */
const QUERY_TIMEOUT_MS = 30_000;

/** Connects lazily; the owner calls `$disconnect`. `?schema=` of the URL is honoured as Prisma does. */
export function createDb(url: string, options: DbOptions = {}): PrismaClient {
  return new PrismaClient({ adapter: createAdapter(url, options) });
}

export function createAdapter(url: string, options: DbOptions = {}): PrismaPg {
  const queryTimeoutMs = options.queryTimeoutMs ?? QUERY_TIMEOUT_MS;
  const schema = new URL(url).searchParams.get('schema');
  return new PrismaPg(
    {
      connectionString: url,
      max: options.poolSize ?? POOL_SIZE,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      // For a server that does not answer; the other one makes a busy server stop working on it.
      query_timeout: queryTimeoutMs,
      statement_timeout: queryTimeoutMs,
    },
    schema === null ? {} : { schema },
  );
}
