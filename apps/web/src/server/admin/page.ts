/** For pages of /admin: who is looking at them. */
import { headers } from 'next/headers';
import { context } from '../context.ts';
import { type AdminSession, readSession } from './session.ts';

/** Null: nobody is signed in. @throws ApiError 503 `admin_disabled` */
export async function pageSession(): Promise<AdminSession | null> {
  return await readSession(context(), new Headers(await headers()));
}

export const hasAdmins = async (): Promise<boolean> => (await context().db.admin.count()) > 0;
