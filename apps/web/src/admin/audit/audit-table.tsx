'use client';

import { ChevronRight } from 'lucide-react';
import { Fragment, useState } from 'react';
import { RelativeTime } from '@/components/relative-time';
import { State } from '@/components/state';
import { changesOf } from './changes';
import type { Entry } from './types';

export function AuditTable({ entries }: { entries: readonly Entry[] }) {
  return (
    <div className="relative mt-4 overflow-x-auto">
      <table className="data-table" aria-label="Audit log">
        <thead>
          <tr>
            <th scope="col">When</th>
            <th scope="col">Action</th>
            <th scope="col">Subject</th>
            <th scope="col">Who</th>
            <th scope="col">From</th>
          </tr>
        </thead>
        <tbody>
          {entries.map((entry) => (
            <Row key={String(entry.id)} entry={entry} />
          ))}
        </tbody>
      </table>
    </div>
  );
}

function Row({ entry }: { entry: Entry }) {
  const [open, setOpen] = useState(false);
  const changes = changesOf(entry.before, entry.after);
  const id = `changes-${entry.id}`;
  return (
    <Fragment>
      <tr className="hover:bg-sunken/60">
        <td className="text-soft">
          <RelativeTime time={entry.at.getTime()} />
        </td>
        <td>
          {changes.length > 0 ? (
            <button
              type="button"
              aria-expanded={open}
              aria-controls={id}
              onClick={() => setOpen(!open)}
              className="inline-flex items-center gap-1 hover:underline"
            >
              <ChevronRight
                aria-hidden
                className={`size-3.5 text-faint ${open ? 'rotate-90' : ''}`}
              />
              <Action name={entry.action} />
            </button>
          ) : (
            <span className="pl-[1.125rem]">
              <Action name={entry.action} />
            </span>
          )}
        </td>
        <td className="font-mono text-[0.8125rem]">
          <span className="block max-w-64 truncate" title={entry.subject}>
            {entry.subject}
          </span>
        </td>
        <td>
          <span className="block max-w-56 truncate" title={entry.actorId ?? entry.actor}>
            {entry.actorId ?? entry.actor}
          </span>
        </td>
        <td className="text-soft">{entry.address ?? '–'}</td>
      </tr>
      {open && (
        <tr id={id}>
          <td colSpan={5} className="bg-sunken/60 !p-3">
            <dl className="grid gap-1 text-[0.8125rem] whitespace-normal">
              {changes.map(({ name, before, after }) => (
                <div key={name} className="grid gap-x-4 sm:grid-cols-[10rem_minmax(0,1fr)]">
                  <dt className="text-faint">{name}</dt>
                  <dd className="break-words">
                    {before !== null && (
                      <del className="text-bad">
                        <span className="sr-only">before: </span>
                        {before}
                      </del>
                    )}
                    {before !== null && after !== null && ' → '}
                    {after !== null && (
                      <ins className="text-accent no-underline">
                        <span className="sr-only">after: </span>
                        {after}
                      </ins>
                    )}
                  </dd>
                </div>
              ))}
            </dl>
          </td>
        </tr>
      )}
    </Fragment>
  );
}

function Action({ name }: { name: string }) {
  return name.endsWith('_failed') ? <State kind="warn">{name}</State> : name;
}
