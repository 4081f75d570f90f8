'use client';

import { useQuery } from '@tanstack/react-query';
import { Command } from 'cmdk';
import {
  Compass,
  Eye,
  FileJson,
  FileText,
  Languages,
  MessageSquare,
  Pencil,
  RotateCcw,
  Share2,
  SlidersHorizontal,
  Square,
  SquarePen,
  SunMoon,
  Trash2,
} from 'lucide-react';
import { useRouter } from 'next/navigation';
import { useState } from 'react';
import { otherLocale, useSetLocale } from '@/components/language-toggle';
import { useSwitchTheme } from '@/components/theme-toggle';
import { useKoreanFont, useLangOf, useLocale, useWords } from '@/lib/i18n/provider';
import { useTRPC } from '@/lib/trpc';
import { useChat } from './chat-context';
import { useExport } from './use-export';

const ITEM =
  'flex cursor-default items-center gap-2.5 rounded-md px-2.5 py-2 text-sm data-[selected=true]:bg-sunken [&>svg]:size-4 [&>svg]:shrink-0 [&>svg]:text-faint';
const GROUP =
  '[&_[cmdk-group-heading]]:px-2.5 [&_[cmdk-group-heading]]:py-1.5 [&_[cmdk-group-heading]]:text-xs [&_[cmdk-group-heading]]:text-faint';

export function Palette() {
  const t = useWords();
  const trpc = useTRPC();
  const router = useRouter();
  const locale = useLocale();
  const langOf = useLangOf();
  const setLocale = useSetLocale();
  const switchTheme = useSwitchTheme();
  const exportAs = useExport();
  // The command that switches the language is in the other one.
  useKoreanFont(true);
  const { conversation, snapshot, show, goTo } = useChat();
  const [search, setSearch] = useState('');
  const { data } = useQuery(
    trpc.conversations.list.queryOptions({ search: search.trim() }, { placeholderData: (d) => d }),
  );
  const { id } = conversation;
  const { title, turns, open } = snapshot;
  const last = turns.at(-1)?.parts[0];
  const close = () => show(null);
  const then = (run: () => void) => () => {
    close();
    run();
  };
  const commands = [
    { name: t.list.fresh, icon: SquarePen, run: () => goTo(null) },
    ...(open
      ? [{ name: t.composer.stop, icon: Square, run: then(() => void conversation.stop()) }]
      : []),
    ...(!open && last?.role === 'assistant'
      ? [
          {
            name: t.thread.regenerate,
            icon: RotateCcw,
            run: then(() => conversation.regenerate(last.id)),
          },
        ]
      : []),
    { name: t.settings.open, icon: SlidersHorizontal, run: () => show({ kind: 'settings' }) },
    ...(title !== ''
      ? [
          { name: t.actions.rename, icon: Pencil, run: () => show({ kind: 'rename', id, title }) },
          { name: t.actions.share, icon: Share2, run: () => show({ kind: 'share', id, title }) },
          { name: t.actions.markdown, icon: FileText, run: then(() => exportAs(id, 'markdown')) },
          { name: t.actions.json, icon: FileJson, run: then(() => exportAs(id, 'json')) },
          { name: t.actions.delete, icon: Trash2, run: () => show({ kind: 'delete', id, title }) },
        ]
      : []),
    { name: t.palette.theme, icon: SunMoon, run: then(switchTheme) },
    {
      name: t.palette.language,
      icon: Languages,
      run: then(() => setLocale(otherLocale(locale))),
    },
    { name: t.palette.explorer, icon: Compass, run: () => router.push('/explorer') },
    { name: t.list.kept, icon: Eye, run: () => show({ kind: 'kept' }) },
  ];
  return (
    <Command label={t.palette.title} loop className="flex min-h-0 flex-col">
      <Command.Input
        autoFocus
        value={search}
        onValueChange={setSearch}
        placeholder={t.palette.placeholder}
        className="border-b bg-transparent px-4 py-3 outline-none placeholder:text-faint"
      />
      <Command.List className="min-h-0 overflow-y-auto p-2">
        <Command.Empty className="px-2.5 py-4 text-sm text-faint">
          {t.palette.nothing}
        </Command.Empty>
        <Command.Group heading={t.palette.commands} className={GROUP}>
          {commands.map(({ name, icon: Icon, run }) => (
            <Command.Item key={name} value={name} onSelect={run} className={ITEM}>
              <Icon aria-hidden /> <span lang={langOf(name)}>{name}</span>
            </Command.Item>
          ))}
        </Command.Group>
        {data && data.items.length > 0 && (
          <Command.Group heading={t.palette.conversations} className={GROUP}>
            {data.items.slice(0, 12).map((item) => (
              <Command.Item
                key={item.id}
                value={item.id}
                // Found by what is in it, which the title need not say.
                keywords={[item.title, search]}
                onSelect={() => goTo(item.id)}
                className={ITEM}
              >
                <MessageSquare aria-hidden />
                <span lang={langOf(item.title)} className="truncate">
                  {item.title}
                </span>
              </Command.Item>
            ))}
          </Command.Group>
        )}
      </Command.List>
    </Command>
  );
}
