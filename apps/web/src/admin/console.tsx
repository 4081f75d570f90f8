'use client';

import { useQuery } from '@tanstack/react-query';
import { type ReactNode, useEffect } from 'react';
import { EnglishMain } from '@/components/english-main';
import { NavLink } from '@/components/nav-link';
import { useTRPC } from '@/lib/trpc';
import { ConfirmProvider } from './access/confirm';
import { failureOf } from './failure';
import { SignOut } from './sign-out';

interface ConsoleProps {
  email: string;
  twoFactor: boolean;
  children: ReactNode;
}

/** What all pages of a signed-in admin have around them. */
export function Console({ email, twoFactor, children }: ConsoleProps) {
  useSignedIn();
  return (
    <ConfirmProvider twoFactor={twoFactor}>
      <div className="border-b">
        <nav
          lang="en"
          aria-label="Administration"
          className="mx-auto -mb-px flex max-w-6xl items-center gap-1 overflow-x-auto px-2 py-1.5 text-sm whitespace-nowrap sm:px-4"
        >
          <NavLink href="/admin/nodes">Nodes</NavLink>
          <NavLink href="/admin/keys">Keys</NavLink>
          <NavLink href="/admin/audit">Audit log</NavLink>
          <NavLink href="/admin/account">Account</NavLink>
          <span className="ml-auto hidden px-2.5 text-faint sm:inline">{email}</span>
          <SignOut />
        </nav>
      </div>
      <EnglishMain className="mx-auto w-full max-w-6xl flex-1 px-4 py-8 sm:px-6">
        {children}
      </EnglishMain>
    </ConfirmProvider>
  );
}

const CHECK_MS = 60_000;

/** A session that is over ends at the sign-in, not in a page full of refusals. */
function useSignedIn(): void {
  const trpc = useTRPC();
  const { error } = useQuery(
    trpc.admin.account.me.queryOptions(undefined, { refetchInterval: CHECK_MS, retry: false }),
  );
  const over = error !== null && failureOf(error).reason === 'not_signed_in';
  useEffect(() => {
    if (over) location.assign('/admin/sign-in');
  }, [over]);
}
