'use client';

import { useQueryClient } from '@tanstack/react-query';
import { type ReactNode, useState } from 'react';
import { Problem } from '@/components/problem';
import { useTRPC } from '@/lib/trpc';
import { NotConfirmed, useConfirmed } from '../access/confirm';
import { failureOf } from '../failure';
import { Button } from '../ui/button';
import { DialogButtons } from '../ui/dialog';
import { Field, Select } from '../ui/field';

const DAY_MS = 86_400_000;

interface KeyFormProps<T> {
  button: string;
  /** What is sent; asked again once the admin has confirmed who they are. */
  change: (form: FormData) => Promise<T>;
  onDone: (result: T) => void;
  children: ReactNode;
}

/** A form that changes keys, confirms where that is due, and says what went wrong. */
export function KeyForm<T>({ button, change, onDone, children }: KeyFormProps<T>) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const confirmed = useConfirmed();
  const [problem, setProblem] = useState<string | null>(null);
  const [sending, setSending] = useState(false);

  async function submit(form: FormData) {
    setProblem(null);
    setSending(true);
    try {
      const result = await confirmed(() => change(form));
      await queries.invalidateQueries({ queryKey: trpc.admin.keys.list.queryKey() });
      onDone(result);
    } catch (error) {
      if (!(error instanceof NotConfirmed)) setProblem(failureOf(error).message);
    } finally {
      setSending(false);
    }
  }

  return (
    <form
      className="grid grid-cols-1 gap-4"
      onSubmit={(event) => {
        event.preventDefault();
        void submit(new FormData(event.currentTarget));
      }}
    >
      {problem && <Problem title={problem} />}
      {children}
      <DialogButtons>
        <Button kind="primary" type="submit" disabled={sending}>
          {button}
        </Button>
      </DialogButtons>
    </form>
  );
}

const EXPIRIES = [
  ['30', 'in 30 days'],
  ['90', 'in 90 days'],
  ['365', 'in a year'],
  ['never', 'never'],
] as const;
const AS_IT_IS = 'kept';

interface Limits {
  name: string;
  maxNodes: number;
  addresses: readonly string[];
}

export function NameField({ of }: { of?: Limits & { builtIn: boolean } }) {
  return (
    <Field
      label="Name"
      name="name"
      maxLength={64}
      defaultValue={of?.name}
      readOnly={of?.builtIn}
      hint="Of the machine or its operator. Typed again to revoke the key."
      autoComplete="off"
      required
    />
  );
}

/** @param of the key that has them; none: a new one */
export function LimitFields({ of }: { of?: Limits }) {
  return (
    <>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field
          label="Nodes at a time"
          name="maxNodes"
          type="number"
          min={1}
          max={1000}
          defaultValue={of?.maxNodes ?? 1}
          required
        />
        <Select
          label="Expires"
          name="expires"
          options={of ? [[AS_IT_IS, 'as it is'], ...EXPIRIES] : EXPIRIES}
          defaultValue={of ? AS_IT_IS : '90'}
        />
      </div>
      <Field
        label="Address ranges"
        name="addresses"
        placeholder="203.0.113.0/24, 2001:db8::/48"
        defaultValue={of?.addresses.join(', ')}
        hint="From which workers may register. Empty: from anywhere."
        autoComplete="off"
      />
    </>
  );
}

/** `expiresAt` is missing where it stays as it is. */
export function limitsOf(form: FormData) {
  const text = (name: string) => String(form.get(name) ?? '');
  const days = text('expires');
  const expiresAt = days === 'never' ? null : new Date(Date.now() + Number(days) * DAY_MS);
  return {
    name: text('name'),
    maxNodes: Number(text('maxNodes')),
    addresses: text('addresses')
      .split(/[\s,]+/)
      .filter(Boolean),
    ...(days !== AS_IT_IS && { expiresAt }),
  };
}
