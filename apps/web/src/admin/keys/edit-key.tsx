'use client';

import { useMutation } from '@tanstack/react-query';
import { toast } from 'sonner';
import { useTRPC } from '@/lib/trpc';
import { Dialog } from '../ui/dialog';
import { KeyForm, LimitFields, limitsOf, NameField } from './key-form';
import type { Key } from './types';

export function EditKey({ target, onClose }: { target: Key | null; onClose: () => void }) {
  const trpc = useTRPC();
  const edit = useMutation(trpc.admin.keys.edit.mutationOptions());
  return (
    <Dialog
      title={`Edit ${target?.name}`}
      description="Its secret stays. Workers that the new limits do not allow are cut off at once."
      open={target !== null}
      onClose={onClose}
    >
      {target && (
        <KeyForm
          button="Save"
          change={(form) => edit.mutateAsync({ id: target.id, ...limitsOf(form) })}
          onDone={({ key, cut }) => {
            const nodes = cut.length === 0 ? '' : ` ${cut.join(', ')} cut off.`;
            toast.success(`${key.name} is changed.${nodes}`);
            onClose();
          }}
        >
          <NameField of={target} />
          <LimitFields of={target} />
        </KeyForm>
      )}
    </Dialog>
  );
}
