/** A forked engine process as the worker has it, with its messages kept. */
import { join } from 'node:path';
import { toHex } from '@blyan/chain/hex';
import { EngineClient } from '../../src/engine/client.ts';
import type { EngineMessage, JobEvent, LoadCommand } from '../../src/engine/messages.ts';
import type { Network } from './network.ts';

const entry = join(import.meta.dirname, '../../dist/engine.js');

export interface RunningEngine extends AsyncDisposable {
  client: EngineClient;
  messages: EngineMessage[];
  events(): JobEvent[];
  exit: Promise<{ code: number | null; signal: string | null; expected: boolean }>;
  /** Resolves with the first message, past or future, that the test accepts. */
  until(test: (message: EngineMessage) => boolean): Promise<EngineMessage>;
}

export function startEngine(): RunningEngine {
  const messages: EngineMessage[] = [];
  const waiting = new Set<() => void>();
  let left: (exit: Awaited<RunningEngine['exit']>) => void;
  const exit = new Promise<Awaited<RunningEngine['exit']>>((resolve) => {
    left = resolve;
  });
  const client = new EngineClient(
    { entry },
    {
      onMessage(message) {
        messages.push(message);
        for (const check of [...waiting]) check();
      },
      onExit: (result) => left(result),
    },
  );
  return {
    client,
    messages,
    exit,
    events: () => messages.flatMap((m) => (m.type === 'event' ? [m.event] : [])),
    until: (test) =>
      new Promise((resolve) => {
        const check = () => {
          const found = messages.find(test);
          if (!found) return;
          waiting.delete(check);
          resolve(found);
        };
        waiting.add(check);
        check();
      }),
    [Symbol.asyncDispose]: () => client.close(),
  };
}

export const loadCommand = (
  network: Network,
  mainUrl: string,
  dir: string,
  overrides: Partial<LoadCommand> = {},
): Omit<LoadCommand, 'type'> => ({
  genesis: toHex(network.verifier.genesis),
  mainUrl,
  sources: [],
  storeDir: join(dir, 'blobs'),
  checkpointDir: join(dir, 'worker'),
  threads: 1,
  slots: 2,
  kv: 'f32',
  kvBytes: 0,
  ...overrides,
});
