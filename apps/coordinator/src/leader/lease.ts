/**
 * The right to lead, as a row in Postgres: one holder at a time, by the database's clock, under a
 * number that rises with each holder. Writes that matter name the number and lock the row against a
 * change (`TERM`), so that none of an earlier holder can follow the first of a later one.
 */
import { Prisma, type PrismaClient } from '@blyan/db/client';

/** The one lease of the coordinators of a database. */
const NAME = 'coordinator';

const now = Prisma.sql`(clock_timestamp() AT TIME ZONE 'utc')`;
const inMs = (ms: number) => Prisma.sql`${now} + ${ms} * interval '1 millisecond'`;

/**
 * One row while this number holds, else none; to be used as `WITH term AS (...)`. Whoever wants the
 * lease waits until the statement's transaction is over.
 */
export const termRow = (token: bigint) =>
  Prisma.sql`SELECT 1 FROM "Lease" WHERE name = ${NAME} AND token = ${token} FOR SHARE`;

export interface LeaseOptions {
  /** Who holds it, for people who look. */
  holder: string;
  ttlMs: number;
}

export class Lease {
  readonly #db: PrismaClient;
  readonly #options: LeaseOptions;

  constructor(db: PrismaClient, options: LeaseOptions) {
    this.#db = db;
    this.#options = options;
  }

  /**
   * The number of a new term, or null while somebody else holds the lease.
   *
   * @param above numbers up to this were used, say with another database
   */
  async acquire(above: bigint): Promise<bigint | null> {
    const { holder, ttlMs } = this.#options;
    const rows = await this.#db.$queryRaw<{ token: bigint }[]>`
      INSERT INTO "Lease" AS held (name, holder, token, until)
      VALUES (${NAME}, ${holder}, ${above}::bigint + 1, ${inMs(ttlMs)})
      ON CONFLICT (name) DO UPDATE
        SET holder = excluded.holder, token = GREATEST(held.token + 1, excluded.token), until = excluded.until
        WHERE held.until < ${now}
      RETURNING token`;
    return rows[0]?.token ?? null;
  }

  /** False when the term is over. A lease that lapsed, and that nobody took, goes on. */
  async renew(token: bigint): Promise<boolean> {
    const { ttlMs } = this.#options;
    const renewed = await this.#db.$executeRaw`
      UPDATE "Lease" SET until = ${inMs(ttlMs)} WHERE name = ${NAME} AND token = ${token}`;
    return renewed === 1;
  }

  /** Lets the next one in at once. */
  async release(token: bigint): Promise<void> {
    await this.#db.$executeRaw`
      UPDATE "Lease" SET until = ${now} - interval '1 millisecond'
      WHERE name = ${NAME} AND token = ${token}`;
  }
}
