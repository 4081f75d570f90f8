'use client';

import { Menu } from '@base-ui/react/menu';
import { useInfiniteQuery } from '@tanstack/react-query';
import { Ellipsis, Link2, Search, SquarePen } from 'lucide-react';
import Link from 'next/link';
import { useDeferredValue, useState } from 'react';
import { Button } from '@/components/button';
import { useLangOf, useWords } from '@/lib/i18n/provider';
import { useTRPC } from '@/lib/trpc';
import { useChat } from './chat-context';
import { ConversationMenu } from './conversation-menu';

/** The conversations of this browser: beside the thread, or in a drawer. */
export function Sidebar() {
  const t = useWords();
  const { goTo, show } = useChat();
  const [search, setSearch] = useState('');
  return (
    <div className="flex h-full flex-col">
      <div className="space-y-2 p-3">
        <Button className="w-full justify-start" onClick={() => goTo(null)}>
          <SquarePen aria-hidden className="size-4" /> {t.list.fresh}
        </Button>
        <label className="flex items-center gap-2 rounded-md border bg-surface px-2.5 focus-within:border-accent">
          <Search aria-hidden className="size-4 shrink-0 text-faint" />
          <span className="sr-only">{t.list.search}</span>
          <input
            type="search"
            value={search}
            onChange={(event) => setSearch(event.target.value)}
            placeholder={t.list.search}
            className="min-w-0 flex-1 bg-transparent py-1.5 text-sm outline-none placeholder:text-faint"
          />
        </label>
      </div>
      <List search={useDeferredValue(search.trim())} />
      <div className="border-t px-3 py-2">
        <button
          type="button"
          className="text-[0.8125rem] text-faint underline-offset-3 hover:text-ink hover:underline"
          onClick={() => show({ kind: 'kept' })}
        >
          {t.list.kept}
        </button>
      </div>
    </div>
  );
}

function List({ search }: { search: string }) {
  const t = useWords();
  const trpc = useTRPC();
  const langOf = useLangOf();
  const { conversation, show } = useChat();
  const list = useInfiniteQuery(
    trpc.conversations.list.infiniteQueryOptions(
      { search },
      { getNextPageParam: (page) => page.next ?? undefined, placeholderData: (before) => before },
    ),
  );
  const items = list.data?.pages.flatMap((page) => page.items) ?? [];
  return (
    <nav aria-label={t.list.title} className="min-h-0 flex-1 overflow-y-auto px-2 pb-3">
      {list.isPending && (
        <div aria-hidden className="space-y-3 px-2 py-2">
          {[80, 60, 70].map((width) => (
            <div key={width} className="skeleton h-4" style={{ width: `${width}%` }} />
          ))}
        </div>
      )}
      {list.isError && items.length === 0 && (
        <div className="space-y-2 px-2 text-sm text-soft">
          <p>{t.list.failed}</p>
          <Button onClick={() => list.refetch()}>{t.list.again}</Button>
        </div>
      )}
      {list.isSuccess && items.length === 0 && (
        <p className="px-2 text-sm text-faint">{search ? t.list.nothing : t.list.empty}</p>
      )}
      <ul>
        {items.map(({ id, title, shared }) => (
          <li
            key={id}
            className={`group flex items-center rounded-md ${id === conversation.id ? 'bg-sunken' : 'hover:bg-sunken'}`}
          >
            <Link
              href={`/c/${id}`}
              prefetch={false}
              aria-current={id === conversation.id ? 'page' : undefined}
              onClick={() => show(null)}
              className="flex min-w-0 flex-1 items-center gap-1.5 py-1.5 pl-2 text-sm"
            >
              <span lang={langOf(title)} className="truncate">
                {title}
              </span>
              {shared && (
                <Link2
                  aria-label={t.list.shared}
                  role="img"
                  className="size-3.5 shrink-0 text-faint"
                />
              )}
            </Link>
            <ConversationMenu
              id={id}
              title={title}
              trigger={
                <Menu.Trigger
                  aria-label={t.list.actions(title)}
                  className="icon-button size-7 shrink-0 focus-visible:opacity-100 group-hover:opacity-100 data-[popup-open]:opacity-100 pointer-fine:opacity-0"
                >
                  <Ellipsis aria-hidden className="size-4" />
                </Menu.Trigger>
              }
            />
          </li>
        ))}
      </ul>
      {list.hasNextPage && (
        <Button
          className="mt-2 w-full"
          disabled={list.isFetchingNextPage}
          onClick={() => list.fetchNextPage()}
        >
          {t.list.more}
        </Button>
      )}
    </nav>
  );
}
