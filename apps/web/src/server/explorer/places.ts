/** Where a list goes on: cursors of the API as keys of the database. */
import type { Cursor } from '@blyan/db/keyset';
import { encodeCursor } from '@blyan/protocol/explorer';
import { ApiError } from '../http/errors.ts';

export const cursorText = (next: Cursor | null): string | null => next && encodeCursor(next);

/** Of columns of 32 bits. */
export const MAX_INT = 2 ** 31 - 1;

/**
 * Where a list goes on. A cursor of a list that was sorted otherwise is none of this one.
 * @throws ApiError 400
 */
export function placeIn(cursor: Cursor | undefined, key: 'text' | number): Cursor | null {
  if (cursor === undefined) return null;
  const { key: at } = cursor;
  if (typeof at === 'string' ? key === 'text' : key !== 'text' && at >= 0 && at <= key)
    return cursor;
  const message = 'This cursor is of a list in another order.';
  throw new ApiError(400, 'invalid_cursor', message, { param: 'cursor' });
}
