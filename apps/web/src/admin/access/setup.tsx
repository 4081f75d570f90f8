'use client';

import { useMutation } from '@tanstack/react-query';
import Link from 'next/link';
import { useEffect, useState } from 'react';
import { Command } from '@/components/command';
import { Problem } from '@/components/problem';
import { useTRPC } from '@/lib/trpc';
import { authPost } from '../auth-client';
import { failureOf } from '../failure';
import { Button } from '../ui/button';
import { Field } from '../ui/field';

/** Reads the token from the fragment: it is in no log, and not in the history afterwards. */
function useToken(): string | null {
  const [token, setToken] = useState<string | null>(null);
  useEffect(() => {
    const read = () => {
      setToken((old) => location.hash.slice(1) || (old ?? ''));
      if (location.hash) history.replaceState(null, '', location.pathname);
    };
    read();
    addEventListener('hashchange', read);
    return () => removeEventListener('hashchange', read);
  }, []);
  return token;
}

export function Setup({ passwordMin }: { passwordMin: number }) {
  const trpc = useTRPC();
  const token = useToken();
  const check = useMutation(trpc.admin.setup.check.mutationOptions());
  const accept = useMutation(trpc.admin.setup.accept.mutationOptions());
  const [mismatch, setMismatch] = useState(false);
  const { mutate } = check;
  useEffect(() => {
    if (token) mutate({ token });
  }, [token, mutate]);

  if (token === null || (token && (check.isIdle || check.isPending)))
    return <div role="status" aria-label="Loading" className="skeleton mt-6 h-64 w-full" />;
  if (check.isError) {
    const { message } = failureOf(check.error);
    return (
      <div className="mt-6">
        <Problem title={message} />
      </div>
    );
  }
  if (!check.data?.open) return <ClosedLink />;

  async function submit(form: FormData) {
    const text = (name: string) => String(form.get(name));
    const different = text('password') !== text('again');
    setMismatch(different);
    if (different) return;
    const { email, password } = { email: text('email'), password: text('password') };
    await accept.mutateAsync({ token: token ?? '', name: text('name'), email, password });
    const signedIn = await authPost('sign-in/email', { email, password });
    location.assign(signedIn.ok ? '/admin/account' : '/admin/sign-in');
  }

  return (
    <form
      className="mt-6 grid grid-cols-1 gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        // What fails is shown below.
        submit(new FormData(event.currentTarget)).catch(() => undefined);
      }}
    >
      {accept.isError && <Problem title={failureOf(accept.error).message} />}
      <Field label="Name" name="name" autoComplete="name" maxLength={64} required />
      <Field label="E-mail address" name="email" type="email" autoComplete="username" required />
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete="new-password"
        minLength={passwordMin}
        hint={`At least ${passwordMin} characters.`}
        required
      />
      <Field
        label="Password, again"
        name="again"
        type="password"
        autoComplete="new-password"
        error={mismatch ? 'The two passwords differ.' : null}
        required
      />
      <div>
        <Button kind="primary" type="submit" disabled={accept.isPending || accept.isSuccess}>
          Become an admin
        </Button>
      </div>
    </form>
  );
}

function ClosedLink() {
  return (
    <div className="mt-6 space-y-3 text-sm text-soft">
      <Problem title="This link does not work.">
        <p>It was used already, its time is over, or a part of it is missing.</p>
      </Problem>
      <p>
        Any admin can make a new one under Account, or on the main node by the command below. Where
        there is no admin yet, the next start of the main node prints one.
      </p>
      <Command>npm run admin -- admins invite</Command>
      <p>
        <Link href="/admin/sign-in" className="link">
          Go to the sign-in
        </Link>
      </p>
    </div>
  );
}
