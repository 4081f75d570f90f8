'use client';

import { useState } from 'react';
import { Button } from '../ui/button';
import { DialogButtons } from '../ui/dialog';
import { Secret } from '../ui/secret';

/** The only time that a secret is seen: closing takes a word that it was kept. */
export function SecretShown({ secret, onDone }: { secret: string; onDone: () => void }) {
  const [kept, setKept] = useState(false);
  return (
    <div className="grid grid-cols-1 gap-4 text-sm">
      <p className="text-soft">
        Copy it now: it is not kept here and cannot be shown again. The operator sets it for the
        worker, in the environment or in <code>.env</code>:
      </p>
      <Secret>{`BLYAN_API_KEY=${secret}`}</Secret>
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
