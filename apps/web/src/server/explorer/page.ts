/** For pages of the explorer: what is not there is Next's 404 page, every other failure stays one. */
import { Hash } from '@blyan/protocol/ids';
import { notFound } from 'next/navigation';
import { context } from '../context.ts';
import { ApiError } from '../http/errors.ts';

export async function foundOr404<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    if (error instanceof ApiError && error.status === 404) notFound();
    throw error;
  }
}

/** A hash out of an address, in lowercase hex. */
export function hashOr404(text: string): string {
  const parsed = Hash.safeParse(text.toLowerCase());
  if (!parsed.success) notFound();
  return parsed.data;
}

/** The genesis that this server names, or null while there is no chain. */
export const namedGenesis = (): Promise<string | null> =>
  context()
    .models.genesis()
    .catch(() => null);
