'use client';

import { useState } from 'react';
import { Button } from '@/components/button';
import { MAX_TITLE } from '@/lib/conversation-limits';
import { useWords } from '@/lib/i18n/provider';
import { useTRPCClient } from '@/lib/trpc';
import { useChat } from './chat-context';
import { useFailed } from './failure';

interface RenameFormProps {
  id: string;
  title: string;
  onClose(): void;
}

export function RenameForm({ id, title: before, onClose }: RenameFormProps) {
  const { rename: t, actions } = useWords();
  const client = useTRPCClient();
  const { told } = useChat();
  const failed = useFailed();
  const [title, setTitle] = useState(before.slice(0, MAX_TITLE));
  const run = async () => {
    try {
      await client.conversations.rename.mutate({ id, title: title.trim() });
      told(id, { title: title.trim() });
      onClose();
    } catch (error) {
      failed(error);
    }
  };
  return (
    <form
      className="space-y-4"
      onSubmit={(event) => {
        event.preventDefault();
        void run();
      }}
    >
      <label className="block space-y-1">
        <span className="label">{t.label}</span>
        <input
          value={title}
          maxLength={MAX_TITLE}
          onChange={(event) => setTitle(event.target.value)}
          className="w-full rounded-md border border-line-strong bg-surface px-3 py-2 outline-none focus:border-accent"
        />
      </label>
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>{actions.cancel}</Button>
        <Button type="submit" kind="accent" disabled={title.trim() === ''}>
          {actions.save}
        </Button>
      </div>
    </form>
  );
}
