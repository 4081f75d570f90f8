import { redirect } from 'next/navigation';
import type { ReactNode } from 'react';
import { Console } from '@/admin/console';
import { pageSession } from '@/server/admin/page';
import { context } from '@/server/context';

export const dynamic = 'force-dynamic';

/** The pages hold no data of their own: each procedure checks the session again. */
export default async function ConsoleLayout({ children }: { children: ReactNode }) {
  if (!context().auth) redirect('/admin/sign-in');
  const session = await pageSession();
  if (!session) redirect('/admin/sign-in');
  return (
    <Console email={session.email} twoFactor={session.twoFactor}>
      {children}
    </Console>
  );
}
