'use client';

import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Problem } from '@/components/problem';
import { useTRPC } from '@/lib/trpc';
import { NotConfirmed, useConfirmed } from '../access/confirm';
import { failureOf } from '../failure';
import { Button } from '../ui/button';
import { Dialog, DialogButtons } from '../ui/dialog';
import { Field, Select } from '../ui/field';
import { SecretShown } from './secret-shown';

const EXPIRIES = [
  ['30', 'in 30 days'],
  ['90', 'in 90 days'],
  ['365', 'in a year'],
  ['', 'never'],
] as const;
const SCOPES = [
  ['serve', 'Run layers of the model'],
  ['blobs', 'Serve verified blobs to other workers'],
] as const;
type Scope = (typeof SCOPES)[number][0];
const DAY_MS = 86_400_000;

export function CreateKey({ open, onClose }: { open: boolean; onClose: () => void }) {
  const [made, setMade] = useState<{ name: string; secret: string } | null>(null);
  const close = () => {
    setMade(null);
    onClose();
  };
  return (
    <Dialog
      title={made ? `Key of ${made.name}` : 'New key'}
      open={open}
      onClose={close}
      persistent={made !== null}
    >
      {made ? (
        <SecretShown secret={made.secret} onDone={close} />
      ) : (
        <CreateForm onMade={(name, secret) => setMade({ name, secret })} />
      )}
    </Dialog>
  );
}

function CreateForm({ onMade }: { onMade: (name: string, secret: string) => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const confirmed = useConfirmed();
  const create = useMutation(trpc.admin.keys.create.mutationOptions());
  const [problem, setProblem] = useState<string | null>(null);

  async function submit(form: FormData) {
    const text = (name: string) => String(form.get(name) ?? '');
    const days = text('expires');
    setProblem(null);
    try {
      const { secret, key } = await confirmed(() =>
        create.mutateAsync({
          name: text('name'),
          scopes: form.getAll('scopes') as Scope[],
          maxNodes: Number(text('maxNodes')),
          addresses: text('addresses')
            .split(/[\s,]+/)
            .filter(Boolean),
          expiresAt: days === '' ? null : new Date(Date.now() + Number(days) * DAY_MS),
        }),
      );
      await queries.invalidateQueries({ queryKey: trpc.admin.keys.list.queryKey() });
      onMade(key.name, secret);
    } catch (error) {
      if (!(error instanceof NotConfirmed)) setProblem(failureOf(error).message);
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
      <Field
        label="Name"
        name="name"
        maxLength={64}
        hint="Of the machine or its operator. Typed again to revoke the key."
        autoComplete="off"
        required
      />
      <fieldset className="grid gap-1.5">
        <legend className="mb-1 text-sm font-medium">Allows</legend>
        {SCOPES.map(([scope, what]) => (
          <label key={scope} className="flex items-center gap-2 text-sm">
            <input
              type="checkbox"
              name="scopes"
              value={scope}
              defaultChecked={scope === 'serve'}
              className="size-4 accent-accent"
            />
            {what}
          </label>
        ))}
      </fieldset>
      <div className="grid gap-4 sm:grid-cols-2">
        <Field
          label="Nodes at a time"
          name="maxNodes"
          type="number"
          min={1}
          max={1000}
          defaultValue={1}
          required
        />
        <Select label="Expires" name="expires" options={EXPIRIES} defaultValue="90" />
      </div>
      <Field
        label="Address ranges"
        name="addresses"
        placeholder="203.0.113.0/24, 2001:db8::/48"
        hint="From which workers may register. Empty: from anywhere."
        autoComplete="off"
      />
      <DialogButtons>
        <Button kind="primary" type="submit" disabled={create.isPending}>
          Create key
        </Button>
      </DialogButtons>
    </form>
  );
}
