/**
 * What this browser trusts and remembers: the genesis that it pinned at its first visit (or that its
 * reader gave it), and the last signed checkpoints that held, which betray a history that changes later.
 */
'use client';

import { fromBase64, toBase64 } from '@blyan/chain/base64';
import type { ChainId } from '@blyan/chain/types';
import { useEffect, useMemo, useSyncExternalStore } from 'react';
import type { KeptCheckpoints } from './messages';

const PIN_KEY = 'blyan.genesis.v1';
const CHECKPOINTS_KEY = 'blyan.checkpoints.v1';
const CHANGED = 'blyan:pin';

export interface Pin {
  genesis: string;
  /** Milliseconds since 1970. */
  since: number;
  /** Who named it: the server, at the first visit, or the reader. */
  by: 'server' | 'reader';
}
/** A pin, and whether the next visit will find it. */
export type HeldPin = Pin & { kept: boolean };

/** What storage that is off, or full, did not take: it holds until the page is left or loaded anew. */
const unkept = new Map<string, string>();

function read(key: string): string | null {
  const here = unkept.get(key);
  if (here !== undefined) return here;
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
function write(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
    unkept.delete(key);
  } catch {
    unkept.set(key, value);
  }
}
function remove(key: string): void {
  unkept.delete(key);
  try {
    localStorage.removeItem(key);
  } catch {
    // Nothing is stored then.
  }
}

const isPin = (value: unknown): value is Pin =>
  typeof value === 'object' &&
  value !== null &&
  /^[0-9a-f]{64}$/.test(String((value as Pin).genesis)) &&
  Number.isFinite((value as Pin).since);

function parsePin(text: string | null): Pin | null {
  try {
    const value: unknown = JSON.parse(text ?? 'null');
    return isPin(value) ? value : null;
  } catch {
    return null;
  }
}

export function setPin(genesis: string, by: Pin['by']): void {
  write(PIN_KEY, JSON.stringify({ genesis, since: Date.now(), by } satisfies Pin));
  window.dispatchEvent(new Event(CHANGED));
}

function subscribe(onChange: () => void): () => void {
  window.addEventListener(CHANGED, onChange);
  window.addEventListener('storage', onChange);
  return () => {
    window.removeEventListener(CHANGED, onChange);
    window.removeEventListener('storage', onChange);
  };
}

/**
 * The pinned genesis; the first visit pins the one that the server names. Without storage each page is a
 * first visit.
 * @param named by the server, null when it has no chain yet
 */
export function usePin(named: string | null): HeldPin | null {
  const text = useSyncExternalStore(
    subscribe,
    () => read(PIN_KEY),
    () => null,
  );
  const pin = useMemo(() => {
    const parsed = parsePin(text);
    return parsed && { ...parsed, kept: !unkept.has(PIN_KEY) };
  }, [text]);
  useEffect(() => {
    if (named && !parsePin(read(PIN_KEY))) setPin(named, 'server');
  }, [named]);
  return pin;
}

type Stored = { genesis: string } & Partial<Record<ChainId, string>>;

/** Checkpoints of earlier walks under the same genesis. */
export function readCheckpoints(genesis: string): KeptCheckpoints {
  try {
    const stored = JSON.parse(read(CHECKPOINTS_KEY) ?? 'null') as Stored | null;
    if (stored?.genesis !== genesis) return {};
    const kept: KeptCheckpoints = {};
    for (const chain of ['A', 'B', 'L'] as const) {
      if (stored[chain]) kept[chain] = fromBase64(stored[chain]);
    }
    return kept;
  } catch {
    return {};
  }
}

export function writeCheckpoints(genesis: string, kept: KeptCheckpoints): void {
  const stored: Stored = { genesis };
  for (const [chain, bytes] of Object.entries({ ...readCheckpoints(genesis), ...kept })) {
    stored[chain as ChainId] = toBase64(bytes);
  }
  write(CHECKPOINTS_KEY, JSON.stringify(stored));
}

/** For a reader who knows that a network was started anew. */
export function forgetCheckpoints(): void {
  remove(CHECKPOINTS_KEY);
}
