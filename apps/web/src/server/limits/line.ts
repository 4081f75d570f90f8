/** The line of questions that wait for a worker, and how long it may become. */
import type { Db } from '@blyan/db/client';
import { ApiError } from '../http/errors.ts';

/** A guess: answers take seconds, and a client that is told to wait longer gives up. */
const RETRY_AFTER_S = 5;

/** A place in the line for questions whose rows are not written yet. */
export interface Place {
  /** @throws ApiError 400 when so many can never be, 503 when there is no room for them now */
  grow(more: number): void;
  /** The rows are there and count by themselves, or nothing comes of it. More than once is harmless. */
  free(): void;
}

export class WaitingPlaces {
  readonly #max: number;
  readonly #db: Db;
  /** Places of questions on their way to the database, which cannot count them yet. */
  #taken = 0;

  constructor({ maxWaiting }: { maxWaiting: number }, { db }: { db: Db }) {
    this.#max = maxWaiting;
    this.#db = db;
  }

  /** @throws ApiError 503 when the line is full */
  async take(): Promise<Place> {
    // Reserved before the rows are counted: of two that come together, one sees the other.
    this.#taken += 1;
    let own = 1;
    const free = () => {
      this.#taken -= own;
      own = 0;
    };
    try {
      const waiting = await this.#db.request.count({
        where: { status: 'queued' },
        take: this.#max + 1,
      });
      this.#check(waiting);
      return {
        grow: (more) => {
          this.#taken += more;
          own += more;
          if (own > this.#max) throw tooMany(own, this.#max);
          this.#check(waiting);
        },
        free,
      };
    } catch (error) {
      free();
      throw error;
    }
  }

  #check(waiting: number): void {
    if (waiting + this.#taken <= this.#max) return;
    throw new ApiError(
      503,
      'queue_full',
      `${waiting} questions wait for a worker already, and no more than ${this.#max} may. Try again in some seconds.`,
      { headers: { 'retry-after': String(RETRY_AFTER_S), 'x-queue-length': String(waiting) } },
    );
  }
}

/** No client repeats what gets 400. */
const tooMany = (answers: number, max: number) =>
  new ApiError(
    400,
    'out_of_range',
    `${answers} answers are asked for, and no more than ${max} may wait for a worker here: ask for fewer.`,
    { param: 'n' },
  );
