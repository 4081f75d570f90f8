'use client';

import { useQuery } from '@tanstack/react-query';
import type { ReactNode } from 'react';
import { Problem } from '@/components/problem';
import { useTRPC } from '@/lib/trpc';
import { failureOf } from '../failure';
import { PageHead, TableSkeleton } from '../ui/page';
import { Invite } from './invite';
import { PasswordForm } from './password';
import { Sessions } from './sessions';
import { TwoFactor } from './two-factor';

export function AccountPage() {
  const trpc = useTRPC();
  const me = useQuery(trpc.admin.account.me.queryOptions());
  return (
    <>
      <PageHead title="Account">{me.data && `${me.data.name}, ${me.data.email}`}</PageHead>
      {me.isPending && <TableSkeleton />}
      {me.isError && (
        <div className="mt-4">
          <Problem title={failureOf(me.error).message} />
        </div>
      )}
      {me.data && (
        <>
          <Section
            id="second-factor"
            title="Second factor"
            about="A code from an authenticator app, asked at each sign-in and before keys are made."
          >
            <TwoFactor on={me.data.twoFactor} />
          </Section>
          <Section id="password" title="Password" about="Changing it ends all other sessions.">
            <PasswordForm email={me.data.email} />
          </Section>
          <Section id="sessions" title="Sessions" about="Each ends by itself after twelve hours.">
            <Sessions />
          </Section>
          <Section
            id="other-admins"
            title="Other admins"
            about="A link by which one further person becomes an admin. It works once, for 24 hours."
          >
            <Invite />
          </Section>
        </>
      )}
    </>
  );
}

interface SectionProps {
  id: string;
  title: string;
  about: string;
  children: ReactNode;
}

function Section({ id, title, about, children }: SectionProps) {
  return (
    <section
      aria-labelledby={id}
      className="mt-8 grid gap-x-10 gap-y-4 border-t pt-6 md:grid-cols-[16rem_minmax(0,1fr)]"
    >
      <div>
        <h2 id={id} className="font-semibold">
          {title}
        </h2>
        <p className="mt-1 text-sm text-soft">{about}</p>
      </div>
      <div className="min-w-0 max-w-xl">{children}</div>
    </section>
  );
}
