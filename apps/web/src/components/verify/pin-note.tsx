'use client';

import { useState } from 'react';
import { Hash } from '@/components/hash';
import { State } from '@/components/state';
import { formatTime } from '@/lib/format';
import { forgetCheckpoints, type HeldPin, setPin } from '@/verify/pin';

/** What the verification starts from, where that came from, and how to change it. */
export function PinNote({ pin, named }: { pin: HeldPin | null; named: string | null }) {
  const [editing, setEditing] = useState(false);
  if (!pin) {
    return (
      <p className="mt-3 text-[0.8125rem] text-faint">
        {named
          ? 'Pinning the genesis of this network.'
          : 'There is no chain here yet, so there is nothing to pin.'}
      </p>
    );
  }
  return (
    <div className="mt-4 text-[0.8125rem] text-faint">
      <p className="flex flex-wrap items-center gap-x-2">
        Pinned genesis: <Hash value={pin.genesis} label="pinned genesis" />
        {pin.by === 'reader'
          ? `given by you, ${formatTime(pin.since)}.`
          : pin.kept
            ? `kept in this browser since your first visit, ${formatTime(pin.since)}.`
            : `named by this server, ${formatTime(pin.since)}.`}
        <button type="button" className="link" onClick={() => setEditing(!editing)}>
          {editing ? 'Keep it' : 'Change'}
        </button>
      </p>
      {!pin.kept && (
        <p className="mt-1 max-w-prose">
          <State kind="warn">
            This browser does not let the page store anything, so the pin is not kept: it holds
            until the page is closed or reloaded. What is verified now is verified all the same; a
            server that changes its history later is not noticed.
          </State>
        </p>
      )}
      {pin.by === 'server' && (
        <p className="max-w-prose">
          It was this server that named it{pin.kept && ' then'}: compare it{' '}
          {pin.kept ? 'once' : 'each time'} with one that you got elsewhere.
        </p>
      )}
      {named !== null && named !== pin.genesis && (
        <p className="mt-1 flex flex-wrap items-center gap-x-2">
          <State kind="warn">This server now names another genesis:</State>
          <Hash value={named} label="genesis that the server names" />
        </p>
      )}
      {editing && <PinForm onDone={() => setEditing(false)} />}
    </div>
  );
}

function PinForm({ onDone }: { onDone: () => void }) {
  const [text, setText] = useState('');
  const value = text.trim().toLowerCase();
  const wrong = value !== '' && !/^[0-9a-f]{64}$/.test(value);
  return (
    <form
      className="mt-2 flex flex-wrap items-center gap-2"
      onSubmit={(event) => {
        event.preventDefault();
        if (wrong || value === '') return;
        forgetCheckpoints();
        setPin(value, 'reader');
        onDone();
      }}
    >
      <label className="flex min-w-0 flex-1 flex-wrap items-center gap-2">
        Genesis hash of chain A
        <input
          value={text}
          onChange={(event) => setText(event.target.value)}
          spellCheck={false}
          autoComplete="off"
          aria-invalid={wrong}
          className="min-w-0 flex-1 rounded-md border border-line-strong bg-page px-2 py-1 font-mono text-ink"
          placeholder="64 hexadecimal digits"
        />
      </label>
      <button
        type="submit"
        className="rounded-md border border-line-strong px-2.5 py-1 text-ink hover:bg-sunken disabled:opacity-50"
        disabled={wrong || value === ''}
      >
        Pin
      </button>
      {wrong && <span className="text-bad">A block hash has 64 hexadecimal digits.</span>}
    </form>
  );
}
