'use client';

import { useMutation } from '@tanstack/react-query';
import { useState } from 'react';
import { useTRPC } from '@/lib/trpc';
import { Dialog } from '../ui/dialog';
import { KeyForm, LimitFields, limitsOf, NameField } from './key-form';
import { SecretShown } from './secret-shown';

const SCOPES = [
  ['serve', 'Run layers of the model'],
  ['blobs', 'Serve verified blobs to other workers'],
] as const;
type Scope = (typeof SCOPES)[number][0];

export function CreateKey({ open, onClose }: { open: boolean; onClose: () => void }) {
  const trpc = useTRPC();
  const create = useMutation(trpc.admin.keys.create.mutationOptions());
  const [made, setMade] = useState<{ key: { name: string }; secret: string } | null>(null);
  const close = () => {
    setMade(null);
    onClose();
  };
  return (
    <Dialog
      title={made ? `Key of ${made.key.name}` : 'New key'}
      open={open}
      onClose={close}
      persistent={made !== null}
    >
      {made ? (
        <SecretShown secret={made.secret} onDone={close} />
      ) : (
        <KeyForm
          button="Create key"
          change={(form) =>
            create.mutateAsync({
              ...limitsOf(form),
              scopes: form.getAll('scopes') as Scope[],
            })
          }
          onDone={setMade}
        >
          <NameField />
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
          <LimitFields />
        </KeyForm>
      )}
    </Dialog>
  );
}
