'use client';

import { useState } from 'react';
import { Command } from '@/components/command';
import { Button } from '../ui/button';
import { DialogButtons } from '../ui/dialog';

/** The only time that a secret is seen: closing takes a word that it was kept. */
export function SecretShown({ secret, onDone }: { secret: string; onDone: () => void }) {
  const [kept, setKept] = useState(false);
  return (
    <div className="grid grid-cols-1 gap-4 text-sm">
      <p className="text-soft">
        Copy it now: it is not kept here and cannot be shown again. The operator sets it for the
        worker, in the environment or in <code>.env</code>:
      </p>
      <Command>{`BLYAN_API_KEY=${secret}`}</Command>
      <label className="flex items-center gap-2">
        <input
          type="checkbox"
          checked={kept}
          onChange={(event) => setKept(event.target.checked)}
          className="size-4 accent-accent"
        />
        I have copied the key
      </label>
      <DialogButtons>
        <Button kind="primary" onClick={onDone} disabled={!kept}>
          Done
        </Button>
      </DialogButtons>
    </div>
  );
}
