'use client';

import { useMutation, useQueryClient } from '@tanstack/react-query';
import { useState } from 'react';
import { Problem } from '@/components/problem';
import { useTRPC } from '@/lib/trpc';
import { NotConfirmed, useConfirmed } from '../access/confirm';
import { failureOf } from '../failure';
import { Button } from '../ui/button';
import { Dialog, DialogButtons } from '../ui/dialog';
import { Select } from '../ui/field';
import { SecretShown } from './secret-shown';
import type { Key } from './types';

const GRACE = [
  ['0', 'at once; its nodes are cut off'],
  ['1', 'in a day'],
  ['7', 'in 7 days'],
  ['30', 'in 30 days'],
] as const;

export function RotateKey({ target, onClose }: { target: Key | null; onClose: () => void }) {
  const [secret, setSecret] = useState<string | null>(null);
  const close = () => {
    setSecret(null);
    onClose();
  };
  return (
    <Dialog
      title={secret ? `New key of ${target?.name}` : `Rotate ${target?.name}`}
      open={target !== null}
      onClose={close}
      persistent={secret !== null}
    >
      {secret ? (
        <SecretShown secret={secret} onDone={close} />
      ) : (
        target && <RotateForm id={target.id} onMade={setSecret} />
      )}
    </Dialog>
  );
}

function RotateForm({ id, onMade }: { id: string; onMade: (secret: string) => void }) {
  const trpc = useTRPC();
  const queries = useQueryClient();
  const confirmed = useConfirmed();
  const rotate = useMutation(trpc.admin.keys.rotate.mutationOptions());
  const [problem, setProblem] = useState<string | null>(null);

  async function submit(form: FormData) {
    setProblem(null);
    try {
      const graceDays = Number(form.get('grace'));
      const { secret } = await confirmed(() => rotate.mutateAsync({ id, graceDays }));
      await queries.invalidateQueries({ queryKey: trpc.admin.keys.list.queryKey() });
      onMade(secret);
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
      <p className="text-sm text-soft">
        The key gets a new secret. A secret that somebody else may have should end at once.
      </p>
      <Select label="The old secret ends" name="grace" options={GRACE} defaultValue="7" />
      <DialogButtons>
        <Button kind="primary" type="submit" disabled={rotate.isPending}>
          Rotate key
        </Button>
      </DialogButtons>
    </form>
  );
}
