'use client';

import { useQueryClient } from '@tanstack/react-query';
import { useRef, useState } from 'react';
import { toast } from 'sonner';
import { Problem } from '@/components/problem';
import { useTRPC } from '@/lib/trpc';
import { authPost } from '../auth-client';
import { Button } from '../ui/button';
import { Field } from '../ui/field';

export function PasswordForm({ email }: { email: string }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const form = useRef<HTMLFormElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  async function submit(data: FormData) {
    const result = await authPost('change-password', {
      currentPassword: data.get('current'),
      newPassword: data.get('new'),
      revokeOtherSessions: true,
    });
    setProblem(result.ok ? null : result.message);
    if (!result.ok) return;
    toast.success('The password is changed, and all other sessions are over.');
    form.current?.reset();
    await queries.invalidateQueries({ queryKey: trpc.admin.account.sessions.queryKey() });
  }
  return (
    <form
      ref={form}
      className="grid max-w-sm gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        void submit(new FormData(event.currentTarget));
      }}
    >
      {problem && <Problem title={problem} />}
      {/* For password managers. */}
      <input type="hidden" name="username" autoComplete="username" value={email} readOnly />
      <Field
        label="Present password"
        name="current"
        type="password"
        autoComplete="current-password"
        required
      />
      <Field
        label="New password"
        name="new"
        type="password"
        autoComplete="new-password"
        minLength={12}
        hint="At least 12 characters."
        required
      />
      <div>
        <Button type="submit">Change password</Button>
      </div>
    </form>
  );
}
