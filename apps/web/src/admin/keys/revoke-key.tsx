'use client';

import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { toast } from 'sonner';
import { useTRPC } from '@/lib/trpc';
import { failureOf } from '../failure';
import { Button } from '../ui/button';
import { Dialog, DialogButtons } from '../ui/dialog';
import { Field } from '../ui/field';
import type { Key } from './types';

export function RevokeKey({ target, onClose }: { target: Key | null; onClose: () => void }) {
  return (
    <Dialog
      title={`Revoke ${target?.name}`}
      description="Its workers are cut off at once, and what they were answering moves on. This cannot be undone."
      open={target !== null}
      onClose={onClose}
    >
      {target && <RevokeForm target={target} onDone={onClose} />}
    </Dialog>
  );
}

function RevokeForm({ target, onDone }: { target: Key; onDone: () => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const [typed, setTyped] = useState('');
  const revoke = useMutation(
    trpc.admin.keys.revoke.mutationOptions({
      onSuccess: ({ cut }) => {
        const nodes = cut.length === 0 ? '' : ` ${cut.join(', ')} cut off.`;
        toast.success(`${target.name} is revoked.${nodes}`);
        onDone();
      },
      onSettled: () => queries.invalidateQueries({ queryKey: trpc.admin.keys.list.queryKey() }),
    }),
  );
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        revoke.mutate({ id: target.id, typed });
      }}
    >
      <Field
        label={`Type ${target.name} to confirm`}
        name="typed"
        value={typed}
        onChange={(event) => setTyped(event.target.value)}
        error={revoke.isError ? failureOf(revoke.error).message : null}
        autoComplete="off"
        required
      />
      <DialogButtons>
        <Button kind="danger" type="submit" disabled={typed !== target.name || revoke.isPending}>
          Revoke key
        </Button>
      </DialogButtons>
    </form>
  );
}
