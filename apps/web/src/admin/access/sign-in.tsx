'use client';

import { useState } from 'react';
import { Problem } from '@/components/problem';
import { authPost } from '../auth-client';
import { Button } from '../ui/button';
import { Field } from '../ui/field';

type Step = 'password' | 'totp' | 'backup';

const CODE_STEPS = {
  totp: {
    path: 'two-factor/verify-totp',
    label: 'Code',
    hint: 'Six digits from your authenticator app.',
    other: 'Use a backup code',
  },
  backup: {
    path: 'two-factor/verify-backup-code',
    label: 'Backup code',
    hint: 'Each works once.',
    other: 'Use the authenticator app',
  },
} as const;

export function SignIn({ next }: { next: string }) {
  const [step, setStep] = useState<Step>('password');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState<string | null>(null);

  // A whole page load: nothing that was fetched before the sign-in is kept.
  const enter = () => location.assign(next);

  async function submit(form: FormData) {
    setBusy(true);
    setProblem(null);
    const result =
      step === 'password'
        ? await authPost<{ twoFactorRedirect?: boolean }>('sign-in/email', {
            email: form.get('email'),
            password: form.get('password'),
          })
        : await authPost<{ twoFactorRedirect?: boolean }>(CODE_STEPS[step].path, {
            code: String(form.get('code')).trim(),
          });
    if (result.ok && result.data.twoFactorRedirect) setStep('totp');
    else if (result.ok) return enter();
    else {
      setProblem(result.message);
      if (/COOKIE|TOO_MANY_ATTEMPTS_REQUEST/.test(result.code)) setStep('password');
    }
    setBusy(false);
  }

  return (
    <form
      className="mt-6 grid grid-cols-1 gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        void submit(new FormData(event.currentTarget));
      }}
    >
      {problem && <Problem title={problem} />}
      {step === 'password' ? (
        <>
          <Field
            label="E-mail address"
            name="email"
            type="email"
            autoComplete="username"
            required
          />
          <Field
            label="Password"
            name="password"
            type="password"
            autoComplete="current-password"
            required
          />
        </>
      ) : (
        <Field
          key={step}
          label={CODE_STEPS[step].label}
          hint={CODE_STEPS[step].hint}
          name="code"
          inputMode={step === 'totp' ? 'numeric' : 'text'}
          autoComplete="one-time-code"
          autoFocus
          required
        />
      )}
      <div className="flex flex-wrap items-center justify-between gap-3">
        <Button kind="primary" type="submit" disabled={busy}>
          {step === 'password' ? 'Sign in' : 'Continue'}
        </Button>
        {step !== 'password' && (
          <button
            type="button"
            className="link text-sm"
            onClick={() => setStep(step === 'totp' ? 'backup' : 'totp')}
          >
            {CODE_STEPS[step].other}
          </button>
        )}
      </div>
    </form>
  );
}
