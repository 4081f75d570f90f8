'use client';

import { Pencil } from 'lucide-react';
import { useState } from 'react';
import { Button } from '@/components/button';
import { CopyButton } from '@/components/copy-button';
import { useLangOf, useWords } from '@/lib/i18n/provider';
import { endsComposition } from './composition';
import type { UserMessage } from './types';
import { VersionSwitch, type VersionSwitchProps } from './version-switch';

interface QuestionProps {
  message: UserMessage;
  switcher: VersionSwitchProps | null;
  onEdit: ((text: string) => void) | undefined;
}

export function Question({ message, switcher, onEdit }: QuestionProps) {
  const { thread: t } = useWords();
  const langOf = useLangOf();
  const [editing, setEditing] = useState(false);
  if (editing && onEdit)
    return <EditQuestion text={message.text} onEdit={onEdit} onClose={() => setEditing(false)} />;
  return (
    <div className="group flex flex-col items-end gap-1">
      <p className="max-w-[85%] rounded-lg bg-sunken px-3.5 py-2 break-words whitespace-pre-wrap">
        <span className="sr-only">{t.youAsked}</span>
        <span lang={langOf(message.text)}>{message.text}</span>
      </p>
      <div className="-mr-1 flex min-h-7 items-center">
        {switcher && <VersionSwitch {...switcher} />}
        <span className="flex transition-opacity focus-within:opacity-100 group-hover:opacity-100 pointer-fine:opacity-0">
          <CopyButton text={message.text} label={t.copyQuestion} />
          {onEdit && (
            <button
              type="button"
              className="icon-button"
              aria-label={t.edit}
              title={t.editHint}
              onClick={() => setEditing(true)}
            >
              <Pencil aria-hidden className="size-4" />
            </button>
          )}
        </span>
      </div>
    </div>
  );
}

interface EditQuestionProps {
  text: string;
  onEdit(text: string): void;
  onClose(): void;
}

function EditQuestion({ text: before, onEdit, onClose }: EditQuestionProps) {
  const { thread: t, actions } = useWords();
  const [text, setText] = useState(before);
  const submit = () => {
    if (text.trim() === '') return;
    onClose();
    onEdit(text);
  };
  return (
    <form
      className="mb-3 ml-auto max-w-[85%] space-y-2"
      onSubmit={(event) => {
        event.preventDefault();
        submit();
      }}
    >
      <textarea
        // biome-ignore lint/a11y/noAutofocus: the reader has just asked to edit it
        autoFocus
        value={text}
        onChange={(event) => setText(event.target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') onClose();
          if (event.key !== 'Enter' || event.shiftKey || endsComposition(event)) return;
          event.preventDefault();
          submit();
        }}
        aria-label={t.editLabel}
        className="field-sizing-content max-h-80 min-h-20 w-full resize-none rounded-lg border border-line-strong bg-surface px-3.5 py-2 outline-none focus:border-accent"
      />
      <div className="flex justify-end gap-2">
        <Button onClick={onClose}>{actions.cancel}</Button>
        <Button type="submit" kind="accent" disabled={text.trim() === ''}>
          {t.askAgain}
        </Button>
      </div>
    </form>
  );
}
