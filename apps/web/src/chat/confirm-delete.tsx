'use client';

import { AlertDialog } from '@base-ui/react/alert-dialog';
import { useState } from 'react';
import { toast } from 'sonner';
import { Button } from '@/components/button';
import { useLangOf, useWords } from '@/lib/i18n/provider';
import { useTRPCClient } from '@/lib/trpc';
import { useChat } from './chat-context';
import { useFailed } from './failure';

interface ConfirmDeleteProps {
  /** Null: all conversations. */
  id: string | null;
  title: string | null;
  onClose(): void;
}

export function ConfirmDelete({ id, title, onClose }: ConfirmDeleteProps) {
  const { remove: t, actions } = useWords();
  const client = useTRPCClient();
  const { forget } = useChat();
  const failed = useFailed();
  const langOf = useLangOf();
  const [busy, setBusy] = useState(false);
  const run = async () => {
    setBusy(true);
    try {
      if (id) await client.conversations.delete.mutate({ id });
      else await client.conversations.deleteAll.mutate();
      onClose();
      forget(id ? [id] : undefined);
      toast.success(id ? t.done : t.allDone);
    } catch (error) {
      setBusy(false);
      failed(error);
    }
  };
  return (
    <AlertDialog.Root open onOpenChange={(now) => !now && onClose()}>
      <AlertDialog.Portal>
        <AlertDialog.Backdrop className="fixed inset-0 z-40 bg-black/35 dark:bg-black/60" />
        <AlertDialog.Popup className="fixed top-[20dvh] left-1/2 z-50 w-[min(28rem,calc(100vw-2rem))] -translate-x-1/2 space-y-3 rounded-xl border bg-surface p-5 shadow-xl outline-none">
          <AlertDialog.Title className="font-semibold">
            {id ? t.title : t.allTitle}
          </AlertDialog.Title>
          {title && (
            <p lang={langOf(title)} className="truncate text-sm font-medium">
              {title}
            </p>
          )}
          <AlertDialog.Description className="text-sm text-soft">{t.text}</AlertDialog.Description>
          <div className="flex justify-end gap-2 pt-1">
            <Button onClick={onClose}>{actions.cancel}</Button>
            <Button kind="bad" disabled={busy} onClick={run}>
              {actions.delete}
            </Button>
          </div>
        </AlertDialog.Popup>
      </AlertDialog.Portal>
    </AlertDialog.Root>
  );
}
