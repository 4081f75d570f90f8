'use client';

import { Dialog } from '@base-ui/react/dialog';
import { X } from 'lucide-react';
import type { ReactNode } from 'react';
import { useLocale, useWords } from '@/lib/i18n/provider';

/** In the middle of the page; a sheet at its right; a drawer at its left. */
const PLACES = {
  middle:
    'top-[12dvh] left-1/2 max-h-[76dvh] w-[min(32rem,calc(100vw-2rem))] -translate-x-1/2 rounded-xl border data-[ending-style]:scale-98 data-[starting-style]:scale-98',
  right:
    'inset-y-0 right-0 w-[min(28rem,100vw)] border-l data-[ending-style]:translate-x-4 data-[starting-style]:translate-x-4',
  left: 'inset-y-0 left-0 w-[min(19rem,88vw)] border-r data-[ending-style]:-translate-x-4 data-[starting-style]:-translate-x-4',
} as const;

interface ModalProps {
  open: boolean;
  onClose(): void;
  title: string;
  place?: keyof typeof PLACES;
  /** Without a visible title and padding. */
  bare?: boolean;
  children: ReactNode;
}

export function Modal({
  open,
  onClose,
  title,
  place = 'middle',
  bare = false,
  children,
}: ModalProps) {
  const t = useWords();
  const locale = useLocale();
  return (
    <Dialog.Root open={open} onOpenChange={(now) => !now && onClose()}>
      <Dialog.Portal>
        {/* What a sheet tells about can be read beside it. */}
        <Dialog.Backdrop
          className={`fixed inset-0 z-40 transition-opacity duration-150 data-[ending-style]:opacity-0 data-[starting-style]:opacity-0 ${place === 'right' ? 'bg-black/10 dark:bg-black/40' : 'bg-black/35 dark:bg-black/60'}`}
        />
        <Dialog.Popup
          lang={locale}
          className={`fixed z-50 flex flex-col overflow-hidden bg-surface text-ink shadow-xl outline-none transition duration-150 data-[ending-style]:opacity-0 data-[starting-style]:opacity-0 motion-reduce:transition-none ${PLACES[place]}`}
        >
          <div className={bare ? 'sr-only' : 'flex items-center gap-3 border-b px-4 py-2.5'}>
            <Dialog.Title className="min-w-0 flex-1 font-semibold">{title}</Dialog.Title>
            {!bare && (
              <Dialog.Close className="icon-button -mr-1.5" aria-label={t.list.close}>
                <X aria-hidden className="size-4" />
              </Dialog.Close>
            )}
          </div>
          <div className={`min-h-0 flex-1 overflow-y-auto ${bare ? 'flex flex-col' : 'p-4'}`}>
            {children}
          </div>
        </Dialog.Popup>
      </Dialog.Portal>
    </Dialog.Root>
  );
}
