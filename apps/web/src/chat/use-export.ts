'use client';

import { toast } from 'sonner';
import { useWords } from '@/lib/i18n/provider';
import { useTRPCClient } from '@/lib/trpc';
import { useFailed } from './failure';

/** Saves a conversation as a file. */
export function useExport(): (id: string, format: 'markdown' | 'json') => void {
  const client = useTRPCClient();
  const { actions } = useWords();
  const failed = useFailed();
  return (id, format) => {
    client.conversations.export.query({ id, format }).then(({ name, type, text }) => {
      const link = document.createElement('a');
      link.href = URL.createObjectURL(new Blob([text], { type }));
      link.download = name;
      link.click();
      URL.revokeObjectURL(link.href);
      toast.success(actions.exported(name));
    }, failed);
  };
}
