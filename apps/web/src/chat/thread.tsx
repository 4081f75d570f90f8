'use client';

import { Menu } from '@base-ui/react/menu';
import { ArrowDown, Command, Ellipsis, PanelLeft, Share2, SlidersHorizontal } from 'lucide-react';
import { useCallback, useRef } from 'react';
import { useStickToBottom } from 'use-stick-to-bottom';
import { Button } from '@/components/button';
import { Problem } from '@/components/problem';
import { useLangOf, useWords } from '@/lib/i18n/provider';
import { Announcer } from './announcer';
import { useChat } from './chat-context';
import { Composer } from './composer';
import { ConversationMenu } from './conversation-menu';
import { NearProvider } from './near';
import { TurnItem } from './turn-item';
import { Welcome } from './welcome';

export function Thread() {
  const t = useWords();
  const chat = useChat();
  const { conversation, snapshot, status, model, retention, drafts, draftKey } = chat;
  const { send, show, goTo } = chat;
  const { scrollRef, contentRef, isAtBottom, scrollToBottom } = useStickToBottom({
    initial: 'instant',
    resize: 'instant',
  });
  const scroller = useRef<HTMLElement | null>(null);
  const setScroller = useCallback(
    (element: HTMLElement | null) => {
      scroller.current = element;
      scrollRef(element);
    },
    [scrollRef],
  );
  const { state, turns, open } = snapshot;
  const last = turns.at(-1)?.parts.at(-1);
  const ask = (text: string) => {
    send(text);
    void scrollToBottom({ animation: 'instant' });
  };
  return (
    <main id="main" className="relative flex min-w-0 flex-1 flex-col">
      <TopBar />
      <section
        ref={setScroller}
        className="min-h-0 flex-1 overflow-y-auto [scrollbar-gutter:stable]"
        // A region that scrolls is reached by keyboard.
        // biome-ignore lint/a11y/noNoninteractiveTabindex: WCAG 2.1.1 for scrollable regions
        tabIndex={0}
        aria-label={t.thread.label}
      >
        <div
          ref={contentRef}
          className="mx-auto flex min-h-full w-full max-w-3xl flex-col px-4 sm:px-6"
        >
          {state === 'loading' && <ThreadSkeleton label={t.thread.loading} />}
          {state === 'missing' && (
            <div className="py-10">
              <Problem title={t.thread.missing}>
                <p>{t.thread.missingText}</p>
                <Button onClick={() => goTo(null)}>{t.list.fresh}</Button>
              </Problem>
            </div>
          )}
          {state === 'failed' && (
            <div className="py-10">
              <Problem title={t.thread.failed}>
                <Button onClick={() => void conversation.refresh()}>{t.list.again}</Button>
              </Problem>
            </div>
          )}
          {state === 'ready' && turns.length === 0 && (
            <Welcome status={status} model={model} onAsk={ask} />
          )}
          {turns.length > 0 && (
            <NearProvider root={scroller}>
              <ol className="flex-1 py-6">
                {turns.map(({ role, parts, versions, version }, i) => (
                  <TurnItem
                    key={parts[0]?.id}
                    role={role}
                    parts={parts}
                    versions={versions}
                    version={version}
                    last={i === turns.length - 1}
                    busy={open}
                    status={status}
                    conversation={conversation}
                    onShow={show}
                  />
                ))}
              </ol>
            </NearProvider>
          )}
        </div>
      </section>
      <Announcer message={last} />
      {/* With the same gutter as the thread, so that both have one edge. */}
      <div className="shrink-0 overflow-y-hidden pt-0.5 pb-2 [scrollbar-gutter:stable]">
        {!isAtBottom && turns.length > 0 && (
          <button
            type="button"
            onClick={() => void scrollToBottom({ animation: 'instant' })}
            className="absolute bottom-28 left-1/2 z-10 inline-flex -translate-x-1/2 items-center gap-1.5 rounded-full border border-line-strong bg-surface px-3 py-1.5 text-sm shadow-sm hover:bg-sunken"
          >
            <ArrowDown aria-hidden className="size-4" /> {t.thread.latest}
          </button>
        )}
        <div className="mx-auto w-full max-w-3xl px-4 sm:px-6">
          <Composer
            busy={open}
            ready={state === 'ready'}
            drafts={drafts}
            draftKey={draftKey}
            onSend={ask}
            onStop={() => void conversation.stop()}
          />
          <p className="mt-1.5 text-[0.8125rem] text-faint">
            {t.composer.note} {t.composer.keptFor(t.kept.days(retention.conversationDays))}{' '}
            <button
              type="button"
              className="underline decoration-line-strong underline-offset-3 hover:text-ink"
              onClick={() => show({ kind: 'kept' })}
            >
              {t.list.kept}
            </button>
          </p>
        </div>
      </div>
    </main>
  );
}

function TopBar() {
  const t = useWords();
  const { conversation, snapshot, show } = useChat();
  const langOf = useLangOf();
  const { title } = snapshot;
  const { id } = conversation;
  // The server knows it.
  const kept = title !== '';
  return (
    <div className="flex h-11 shrink-0 items-center gap-1 border-b px-2 sm:px-4">
      <button
        type="button"
        className="icon-button shrink-0 lg:hidden"
        aria-label={t.list.open}
        title={t.list.open}
        onClick={() => show({ kind: 'drawer' })}
      >
        <PanelLeft aria-hidden className="size-4" />
      </button>
      {kept ? (
        <h1 lang={langOf(title)} className="min-w-0 flex-1 truncate px-1 text-sm font-medium">
          {title}
        </h1>
      ) : (
        <span className="flex-1" />
      )}
      <button
        type="button"
        className="icon-button w-auto shrink-0 px-2"
        title={t.palette.hint}
        onClick={() => show({ kind: 'palette' })}
      >
        <span className="sr-only">{t.palette.title}</span>
        <Command aria-hidden className="size-4 sm:hidden" />
        <kbd className="hidden font-sans text-xs sm:block">Ctrl K</kbd>
      </button>
      <button
        type="button"
        className="icon-button shrink-0"
        aria-label={t.settings.open}
        title={t.settings.open}
        onClick={() => show({ kind: 'settings' })}
      >
        <SlidersHorizontal aria-hidden className="size-4" />
      </button>
      {kept && (
        <>
          <button
            type="button"
            className="icon-button shrink-0"
            aria-label={t.actions.share}
            title={t.actions.share}
            onClick={() => show({ kind: 'share', id, title })}
          >
            <Share2 aria-hidden className="size-4" />
          </button>
          <ConversationMenu
            id={id}
            title={title}
            trigger={
              <Menu.Trigger className="icon-button shrink-0" aria-label={t.actions.more}>
                <Ellipsis aria-hidden className="size-4" />
              </Menu.Trigger>
            }
          />
        </>
      )}
    </div>
  );
}

function ThreadSkeleton({ label }: { label: string }) {
  return (
    <div className="space-y-8 py-8">
      <p className="sr-only">{label}</p>
      <div aria-hidden className="skeleton ml-auto h-10 w-2/5" />
      <div aria-hidden className="space-y-2.5">
        {[100, 94, 97, 50].map((width) => (
          <div key={width} className="skeleton h-4" style={{ width: `${width}%` }} />
        ))}
      </div>
    </div>
  );
}
