/** Waits until an answer is really possible, and shows it by getting one. */
import { setTimeout as sleep } from 'node:timers/promises';
import { LocalError } from './errors.ts';
import type { Part } from './supervise.ts';

/** Verifying and loading a model of many gigabytes takes minutes; a stuck start still ends. */
const READY_TIMEOUT_MS = 30 * 60_000;
const POLL_MS = 100;
/** Crashes in a row before the first answer that mean that waiting is no use. */
const MAX_FAILURES = 4;
const ANSWER_TIMEOUT_MS = 120_000;

export interface ReadyDeps {
  parts: Part[];
  logs: string;
  signal: AbortSignal;
  update: (detail: string) => void;
}

/** The reason out of whatever shape of JSON the answer has. */
export function reasonOf(body: unknown): string | null {
  if (typeof body !== 'object' || body === null) return null;
  const fields = body as Record<string, unknown>;
  for (const name of ['reason', 'message', 'error']) {
    const value = fields[name];
    if (typeof value === 'string' && value) return value;
    const inner = reasonOf(value);
    if (inner) return inner;
  }
  return null;
}

export async function untilReady(url: string, deps: ReadyDeps): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  let reason = 'the web app starts';
  while (Date.now() < deadline) {
    deps.signal.throwIfAborted();
    for (const part of deps.parts) {
      if (part.failures >= MAX_FAILURES) {
        throw new LocalError(
          'PART_FAILED',
          `The ${part.name} ends again and again (${part.lastExit}): see the end of ${deps.logs}/${part.name}.log.`,
        );
      }
    }
    try {
      const response = await fetch(`${url}/ready`, {
        signal: AbortSignal.any([deps.signal, AbortSignal.timeout(5_000)]),
      });
      const body: unknown = await response.json().catch(() => null);
      if (response.ok) return;
      reason = reasonOf(body) ?? `/ready answers ${response.status}`;
    } catch {
      // Not listening yet.
    }
    deps.update(reason);
    await sleep(POLL_MS, undefined, { signal: deps.signal });
  }
  throw new LocalError(
    'NOT_READY',
    `Blyan did not become ready: ${reason}. The logs are in ${deps.logs}.`,
  );
}

export async function firstAnswer(url: string, deps: Pick<ReadyDeps, 'signal' | 'logs'>) {
  const response = await fetch(`${url}/chat`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ prompt: 'Hello', max_tokens: 1 }),
    signal: AbortSignal.any([deps.signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]),
  });
  const body: unknown = await response.json().catch(() => null);
  if (response.ok) return;
  throw new LocalError(
    'NOT_READY',
    `The first answer failed (${response.status}): ${reasonOf(body) ?? 'without a reason'}. The logs are in ${deps.logs}.`,
  );
}
