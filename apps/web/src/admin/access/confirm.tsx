'use client';

import { useMutation } from '@tanstack/react-query';
import { createContext, type ReactNode, useContext, useRef, useState } from 'react';
import { useTRPC } from '@/lib/trpc';
import { failureOf } from '../failure';
import { Button } from '../ui/button';
import { Dialog, DialogButtons } from '../ui/dialog';
import { Field } from '../ui/field';

type Confirmed = <T>(action: () => Promise<T>) => Promise<T>;
const Context = createContext<Confirmed | null>(null);

/** Thrown when the reader closed the dialog: nothing was done, and nothing is to be said. */
export class NotConfirmed extends Error {}

/**
 * Runs an action; when the server wants the password first, asks for it and runs the action again.
 * @throws NotConfirmed, or as the action does
 */
export function useConfirmed(): Confirmed {
  const confirmed = useContext(Context);
  if (!confirmed) throw new Error('useConfirmed needs a ConfirmProvider');
  return confirmed;
}

interface Waiting {
  done: () => void;
  cancel: () => void;
}

export function ConfirmProvider({
  twoFactor,
  children,
}: {
  twoFactor: boolean;
  children: ReactNode;
}) {
  const [open, setOpen] = useState(false);
  const waiting = useRef<Waiting | null>(null);
  const confirmed: Confirmed = async (action) => {
    try {
      return await action();
    } catch (error) {
      if (failureOf(error).reason !== 'confirmation_required') throw error;
    }
    await new Promise<void>((done, fail) => {
      waiting.current = { done, cancel: () => fail(new NotConfirmed()) };
      setOpen(true);
    });
    return await action();
  };
  const close = (how: keyof Waiting) => {
    setOpen(false);
    waiting.current?.[how]();
    waiting.current = null;
  };
  return (
    <Context value={confirmed}>
      {children}
      <Dialog
        title="Confirm that it is you"
        description="Your password was not asked for in the last five minutes."
        open={open}
        onClose={() => close('cancel')}
      >
        <ConfirmForm twoFactor={twoFactor} onDone={() => close('done')} />
      </Dialog>
    </Context>
  );
}

function ConfirmForm({ twoFactor, onDone }: { twoFactor: boolean; onDone: () => void }) {
  const trpc = useTRPC();
  const confirm = useMutation(trpc.admin.account.confirm.mutationOptions({ onSuccess: onDone }));
  const failure = confirm.isError ? failureOf(confirm.error) : null;
  return (
    <form
      className="grid grid-cols-1 gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        const form = new FormData(event.currentTarget);
        const code = form.get('code');
        confirm.mutate({
          password: String(form.get('password')),
          ...(code === null ? {} : { code: String(code) }),
        });
      }}
    >
      <Field
        label="Password"
        name="password"
        type="password"
        autoComplete="current-password"
        error={failure && failure.reason !== 'wrong_code' ? failure.message : null}
        required
      />
      {twoFactor && (
        <Field
          label="Code"
          name="code"
          inputMode="numeric"
          autoComplete="one-time-code"
          hint="Six digits from your authenticator app."
          error={failure?.reason === 'wrong_code' ? failure.message : null}
          required
        />
      )}
      <DialogButtons>
        <Button kind="primary" type="submit" disabled={confirm.isPending}>
          Confirm
        </Button>
      </DialogButtons>
    </form>
  );
}
