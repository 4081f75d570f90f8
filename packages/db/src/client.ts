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
}

const POOL_SIZE = 10;
/** A database that does not answer for this long is reported instead of waited for. */
const CONNECT_TIMEOUT_MS = 10_000;

/** Connects lazily; the owner calls `$disconnect`. `?schema=` of the URL is honoured as Prisma does. */
export function createDb(url: string, options: DbOptions = {}): PrismaClient {
  return new PrismaClient({ adapter: createAdapter(url, options) });
}

export function createAdapter(url: string, options: DbOptions = {}): PrismaPg {
  const schema = new URL(url).searchParams.get('schema');
  return new PrismaPg(
    {
      connectionString: url,
      max: options.poolSize ?? POOL_SIZE,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    },
    schema === null ? {} : { schema },
  );
}
