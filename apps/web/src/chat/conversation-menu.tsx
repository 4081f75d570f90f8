'use client';

import { Menu } from '@base-ui/react/menu';
import { FileJson, FileText, Pencil, Share2, Trash2 } from 'lucide-react';
import type { ReactElement } from 'react';
import { useWords } from '@/lib/i18n/provider';
import { useChat } from './chat-context';
import { useExport } from './use-export';

interface ConversationMenuProps {
  id: string;
  title: string;
  trigger: ReactElement;
}

export function ConversationMenu({ id, title, trigger }: ConversationMenuProps) {
  const { actions: t } = useWords();
  const { show } = useChat();
  const exportAs = useExport();
  const items = [
    { label: t.rename, icon: Pencil, run: () => show({ kind: 'rename', id, title }) },
    { label: t.share, icon: Share2, run: () => show({ kind: 'share', id, title }) },
    { label: t.markdown, icon: FileText, run: () => exportAs(id, 'markdown') },
    { label: t.json, icon: FileJson, run: () => exportAs(id, 'json') },
    { label: t.delete, icon: Trash2, run: () => show({ kind: 'delete', id, title }), bad: true },
  ];
  return (
    <Menu.Root>
      {trigger}
      <Menu.Portal>
        <Menu.Positioner className="z-50" align="end" sideOffset={4}>
          <Menu.Popup className="min-w-44 rounded-lg border bg-surface p-1 text-sm shadow-lg outline-none">
            {items.map(({ label, icon: Icon, run, bad }) => (
              <Menu.Item
                key={label}
                onClick={run}
                className={`flex cursor-default items-center gap-2 rounded px-2.5 py-1.5 outline-none data-[highlighted]:bg-sunken ${bad ? 'text-bad' : ''}`}
              >
                <Icon aria-hidden className="size-4" /> {label}
              </Menu.Item>
            ))}
          </Menu.Popup>
        </Menu.Positioner>
      </Menu.Portal>
    </Menu.Root>
  );
}
