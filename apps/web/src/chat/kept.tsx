'use client';

import { Button } from '@/components/button';
import { useWords } from '@/lib/i18n/provider';
import { useChat } from './chat-context';

/** In plain words: what is kept, for how long, and who can read it. */
export function Kept() {
  const { kept: t, remove } = useWords();
  const { retention, show } = useChat();
  const days = t.days(retention.conversationDays);
  const hours = t.hours(retention.hours);
  return (
    <div className="space-y-4 text-sm">
      <ul className="list-disc space-y-2 pl-5 text-soft marker:text-faint">
        {t.points(days, hours).map((point) => (
          <li key={point}>{point}</li>
        ))}
      </ul>
      <Button onClick={() => show({ kind: 'deleteAll' })}>{remove.all}</Button>
    </div>
  );
}
