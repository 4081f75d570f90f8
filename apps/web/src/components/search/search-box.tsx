'use client';

import type { SearchAnswer } from '@blyan/protocol/explorer';
import { keepPreviousData, useQuery } from '@tanstack/react-query';
import { Search } from 'lucide-react';
import { useRouter } from 'next/navigation';
import { type KeyboardEvent, useEffect, useRef, useState } from 'react';
import { failureText, getJson } from '@/lib/rest';
import { type Line, lineOf } from './results';

/** A pause in typing after which the server is asked. */
const PAUSE_MS = 150;

/** One box for everything: `/` goes to it from anywhere on the page. */
export function SearchBox() {
  const router = useRouter();
  const field = useRef<HTMLInputElement>(null);
  const [text, setText] = useState('');
  const [open, setOpen] = useState(false);
  const [chosen, setChosen] = useState(0);
  const q = usePaused(text.trim());
  const answer = useQuery({
    queryKey: ['search', q],
    enabled: q !== '',
    queryFn: ({ signal }) => getJson<SearchAnswer>(`/search?${new URLSearchParams({ q })}`, signal),
    placeholderData: keepPreviousData,
    retry: false,
  });
  const lines = q === '' ? [] : (answer.data?.results.map(lineOf) ?? []);
  const at = Math.min(chosen, lines.length - 1);
  useSlash(field);

  const go = ({ href }: Line) => {
    setOpen(false);
    field.current?.blur();
    router.push(href);
  };
  const keys = (event: KeyboardEvent) => {
    const line = lines[at];
    if (event.key === 'ArrowDown') setChosen(Math.min(lines.length - 1, at + 1));
    else if (event.key === 'ArrowUp') setChosen(Math.max(0, at - 1));
    else if (event.key === 'Enter' && line && answer.data?.query === text.trim()) go(line);
    else if (event.key === 'Escape') setOpen(false);
    else return;
    event.preventDefault();
  };
  const shown = open && q !== '';
  return (
    <search className="relative">
      <Search aria-hidden className="absolute top-2.5 left-3 size-4 text-faint" />
      <input
        ref={field}
        type="text"
        role="combobox"
        aria-label="Search the chains"
        aria-expanded={shown}
        aria-controls="search-results"
        aria-autocomplete="list"
        aria-activedescendant={shown && at >= 0 ? `search-${at}` : undefined}
        value={text}
        maxLength={256}
        autoComplete="off"
        spellCheck={false}
        placeholder="Height, hash, tensor, layer, model, node or receipt"
        className="w-full rounded-md border border-line-strong bg-surface py-2 pr-10 pl-9 text-sm"
        onChange={(event) => {
          setText(event.target.value);
          setChosen(0);
          setOpen(true);
        }}
        onFocus={() => setOpen(true)}
        onBlur={() => setOpen(false)}
        onKeyDown={keys}
      />
      <kbd
        aria-hidden
        className="absolute top-2 right-2.5 hidden rounded border px-1.5 font-mono text-xs leading-5 text-faint sm:block"
      >
        /
      </kbd>
      <p role="status" className="sr-only">
        {shown && !answer.isFetching && (answer.data?.message ?? `${lines.length} results`)}
      </p>
      {shown && (
        // Pressing a result must not take the focus from the field before the click arrives.
        <div
          className="absolute inset-x-0 top-full z-10 mt-1 max-h-96 overflow-y-auto rounded-md border bg-surface py-1 text-sm shadow-lg"
          onPointerDown={(event) => event.preventDefault()}
        >
          {answer.isError ? (
            <p className="px-3 py-2 text-bad">{failureText(answer.error)}</p>
          ) : !answer.data ? (
            <p className="px-3 py-2 text-faint">Searching.</p>
          ) : lines.length === 0 ? (
            <p className="px-3 py-2 break-words text-soft">{answer.data.message}</p>
          ) : null}
          <Results lines={lines} at={at} onChoose={go} onPoint={setChosen} />
        </div>
      )}
    </search>
  );
}

interface ResultsProps {
  lines: Line[];
  at: number;
  onChoose(line: Line): void;
  onPoint(index: number): void;
}

function Results({ lines, at, onChoose, onPoint }: ResultsProps) {
  return (
    <div id="search-results" role="listbox" aria-label="Results" tabIndex={-1}>
      {lines.map((line, i) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the field takes the keys
        <div
          key={`${line.type} ${line.href} ${line.title}`}
          id={`search-${i}`}
          role="option"
          tabIndex={-1}
          aria-selected={i === at}
          className={`grid grid-cols-[4rem_minmax(0,1fr)] items-baseline gap-x-3 px-3 py-1.5 ${i === at ? 'bg-sunken' : ''} cursor-pointer`}
          onClick={() => onChoose(line)}
          onPointerMove={() => onPoint(i)}
        >
          <span className="text-faint">{line.type}</span>
          <span className="min-w-0">
            <span className="block truncate font-medium">{line.title}</span>
            <span className="block truncate text-[0.8125rem] text-soft">{line.detail}</span>
          </span>
        </div>
      ))}
    </div>
  );
}

function usePaused(text: string): string {
  const [paused, setPaused] = useState(text);
  useEffect(() => {
    const timer = setTimeout(() => setPaused(text), PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text]);
  return paused;
}

function useSlash(field: { current: HTMLInputElement | null }): void {
  useEffect(() => {
    const onKey = (event: globalThis.KeyboardEvent) => {
      const target = event.target as HTMLElement;
      if (event.key !== '/' || event.ctrlKey || event.metaKey || event.altKey) return;
      if (target.closest('input, textarea, select, [contenteditable]')) return;
      event.preventDefault();
      field.current?.focus();
      field.current?.select();
    };
    window.addEventListener('keydown', onKey);
    return () => window.removeEventListener('keydown', onKey);
  }, [field]);
}
