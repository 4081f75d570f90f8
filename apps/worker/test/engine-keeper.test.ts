/** When a failed engine is tried again, and what is said of it meanwhile. The engine is a script. */
import { MAX_WRONG_BLOBS } from '@blyan/protocol/limits';
import { pino } from 'pino';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { EngineKeeper } from '../src/engine-keeper.ts';
import type { EngineReady, StartEngine } from '../src/engine-port.ts';

type Listener = Parameters<StartEngine>[0];

const READY: EngineReady = {
  model: 'ab'.repeat(32),
  layers: [0, 1],
  numerics: { provider: 'cpu', runtime: 'x', weights: [], matmul: 'f32', kv: 'f32' },
  slots: 1,
  context: 128,
};
const DAMAGED = { code: 'CHUNK_CORRUPT', message: 'chunk 3 of tensor t' };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function open() {
  const engines: Listener[] = [];
  let changes = 0;
  const start: StartEngine = (listener) => {
    engines.push(listener);
    return {
      submit: () => undefined,
      cancel: () => undefined,
      assign: () => undefined,
      kill: () => listener.exit('signal SIGKILL'),
    };
  };
  const quiet = { changed: () => void changes++, event: () => undefined, gone: () => undefined };
  const keeper = new EngineKeeper(start, quiet, pino({ level: 'silent' }));
  keeper.start();
  return { keeper, engines, engine: () => engines.at(-1)!, changes: () => changes };
}

test('a model that stays damaged is verified again ever later, and the reason stays visible', async () => {
  const { keeper, engines, engine } = open();
  expect(keeper.state.state).toBe('loading');
  for (const seconds of [30, 60, 120, 240, 480, 600, 600]) {
    const before = engines.length;
    engine().failed(DAMAGED);
    await vi.advanceTimersByTimeAsync(seconds * 1000 - 1);
    expect(engines.length).toBe(before);
    await vi.advanceTimersByTimeAsync(2);
    expect(engines.length).toBe(before + 1);
    engine().progress({ phase: 'verify', done: 1, total: 2, unit: 'bytes' });
    expect(keeper.state).toEqual({ state: 'failed', failure: DAMAGED });
  }
  // A crash of a try is not the end of the tries.
  engine().exit('exit code 1');
  expect(keeper.state).toEqual({ state: 'failed', failure: DAMAGED });
  await vi.advanceTimersByTimeAsync(1000);
  engine().ready(READY);
  expect(keeper.state.state).toBe('ready');

  engine().exit('exit code 1');
  expect(keeper.state).toEqual({ state: 'loading' });
  await vi.advanceTimersByTimeAsync(1000);
  const before = engines.length;
  engine().failed(DAMAGED);
  await vi.advanceTimersByTimeAsync(30_001);
  expect(engines.length).toBe(before + 1);
  await keeper.stop();
});

test('the speed that was measured stays when the engine is another one', async () => {
  const { keeper, engine } = open();
  const load = { running: 0, waiting: 0, tokensPerSecond: 0, residentBytes: 0 };
  const say = (weightBytesPerSecond: number | null) =>
    engine().stats({ load, links: [], weightBytesPerSecond });
  say(null);
  expect(keeper.weightBytesPerSecond).toBe(null);
  say(3e9);
  keeper.replace('start');
  expect(keeper.stats).toBe(null);
  say(null);
  expect(keeper.weightBytesPerSecond).toBe(3e9);
  say(2e9);
  expect(keeper.weightBytesPerSecond).toBe(2e9);
});

test('notices without end are neither logged nor told without end', async () => {
  const lines: string[] = [];
  const stream = { write: (line: string) => void lines.push(line) };
  let listener: Listener | undefined;
  let changes = 0;
  const keeper = new EngineKeeper(
    (given) => {
      listener = given;
      return { submit() {}, cancel() {}, assign() {}, kill: () => given.exit('signal SIGKILL') };
    },
    { changed: () => void changes++, event: () => undefined, gone: () => undefined },
    pino({}, stream),
  );
  keeper.start();
  const before = changes;
  for (let i = 0; i < 1000; i++) listener?.notice(`a stranger, ${i}`);
  expect(lines).toHaveLength(30);
  expect(changes).toBe(before);
  expect(keeper.notices.at(-1)).toBe('a stranger, 29');
  await vi.advanceTimersByTimeAsync(61_000);
  listener?.notice('one of the next minute');
  expect(keeper.notices.at(-1)).toBe('one of the next minute');
  await keeper.stop();
});

test('of each source that sent wrong bytes the newest is told at once, of not too many', async () => {
  const { keeper, engine, changes } = open();
  const of = (source: number, chunk: number | null = 0) => ({
    source: `http://10.0.0.${source}:9401`,
    root: 'cd'.repeat(32),
    chunk,
  });
  expect(keeper.wrongBlobs).toEqual([]);
  const before = changes();
  engine().wrongBlob(of(1));
  expect(changes()).toBe(before + 1);
  engine().wrongBlob(of(2));
  engine().wrongBlob(of(1, null));
  expect(keeper.wrongBlobs).toEqual([of(2), of(1, null)]);
  for (let source = 3; source <= MAX_WRONG_BLOBS + 1; source++) engine().wrongBlob(of(source));
  expect(keeper.wrongBlobs).toHaveLength(MAX_WRONG_BLOBS);
  expect(keeper.wrongBlobs).not.toContainEqual(of(2));
  expect(keeper.wrongBlobs).toContainEqual(of(1, null));
  // What another engine was sent for other layers is another matter.
  keeper.replace('start');
  expect(keeper.wrongBlobs).toEqual([]);
  await keeper.stop();
});
