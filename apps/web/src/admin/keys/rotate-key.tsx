'use client';

import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTRPC } from '@/lib/trpc';
import { Dialog } from '../ui/dialog';
import { Select } from '../ui/field';
import { KeyForm } from './key-form';
import { SecretShown } from './secret-shown';
import type { Key } from './types';

const GRACE = [
  ['0', 'at once; its nodes are cut off'],
  ['1', 'in a day'],
  ['7', 'in 7 days'],
  ['30', 'in 30 days'],
] as const;

export function RotateKey({ target, onClose }: { target: Key | null; onClose: () => void }) {
  const trpc = useTRPC();
  const rotate = useMutation(trpc.admin.keys.rotate.mutationOptions());
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
      {secret && <SecretShown secret={secret} onDone={close} />}
      {target && !secret && (
        <KeyForm
          button="Rotate key"
          change={(form) =>
            rotate.mutateAsync({ id: target.id, graceDays: Number(form.get('grace')) })
          }
          onDone={(made) => setSecret(made.secret)}
        >
          <p className="text-sm text-soft">
            The key gets a new secret. A secret that somebody else may have should end at once.
          </p>
          <Select label="The old secret ends" name="grace" options={GRACE} defaultValue="7" />
        </KeyForm>
      )}
    </Dialog>
  );
}
