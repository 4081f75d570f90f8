'use client';

import { Dialog as Base } from '@base-ui/react/dialog';
import { X } from 'lucide-react';
import type { ReactNode } from 'react';

interface DialogProps {
  title: string;
  description?: ReactNode;
  open: boolean;
  onClose: () => void;
  /** What it shows must be read first: neither Escape nor a click beside it closes it. */
  persistent?: boolean;
  children: ReactNode;
}

export function Dialog({ title, description, open, onClose, persistent, children }: DialogProps) {
  return (
    <Base.Root
      open={open}
      disablePointerDismissal={persistent === true}
      onOpenChange={(next, details) => {
        if (next) return;
        if (persistent && details.reason === 'escape-key') details.cancel();
        else onClose();
      }}
    >
      <Base.Portal>
        <Base.Backdrop className="fixed inset-0 z-30 min-h-dvh bg-black/40" />
        <Base.Popup
          lang="en"
          className="fixed top-1/2 left-1/2 z-40 max-h-[calc(100dvh-2rem)] w-[30rem] max-w-[calc(100vw-2rem)] -translate-x-1/2 -translate-y-1/2 overflow-y-auto rounded-lg border bg-surface p-5 shadow-xl"
        >
          <div className="flex items-start justify-between gap-4">
            <Base.Title className="font-semibold">{title}</Base.Title>
            {!persistent && (
              <Base.Close aria-label="Close" className="icon-button -mt-1 -mr-1.5">
                <X aria-hidden className="size-4" />
              </Base.Close>
            )}
          </div>
          {description && (
            <Base.Description render={<div />} className="mt-1 text-sm text-soft">
              {description}
            </Base.Description>
          )}
          <div className="mt-4">{children}</div>
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  );
}

export function DialogButtons({ children }: { children: ReactNode }) {
  return <div className="mt-5 flex flex-wrap justify-end gap-2">{children}</div>;
}
