/** Walks over recorded answers: every step passes what is right and catches what is not. */
import { CHAIN_ERROR_CODES } from '@blyan/chain/errors';
import { fromHex } from '@blyan/chain/hex';
import { STEP_NAMES, type Verdict, type WalkEvent, Walker } from '@blyan/chain/walk';
import { httpBytes } from '@blyan/chain/walk-http';
import { describe, expect, test, vi } from 'vitest';
import forgeries from '../vectors/forgeries.json';
import vectors from '../vectors/walks.json';
import { recordedNode, targetOf, type WalkCase, type WalkVectors } from './recorded.ts';

const { genesis, answers, cases } = vectors as unknown as WalkVectors;

async function collect<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = [];
  for await (const item of source) items.push(item);
  return items;
}

async function walk(case_: WalkCase, asked: string[] = []): Promise<WalkEvent[]> {
  const kept = Object.fromEntries(
    Object.entries(case_.kept ?? {}).map(([chain, hex]) => [chain, fromHex(hex)]),
  );
  const walker = new Walker({
    genesis: fromHex(genesis),
    fetchBytes: recordedNode({ ...answers, ...case_.change }, asked),
    maxFollowed: case_.maxFollowed,
    kept,
  });
  return await collect(walker.walk(targetOf(case_.target)));
}
const verdictOf = (events: WalkEvent[]) => events.at(-1) as Verdict;
const named = (name: string) => cases.find((entry) => entry.name === name)!;

describe('walks', () => {
  test.each(cases)('$name: $comment', async (case_) => {
    const events = await walk(case_);
    const steps = events.filter((event) => event.kind === 'step');
    const verdict = verdictOf(events);
    expect(verdict).toMatchObject({ kind: 'verdict', ok: !case_.fails, steps: steps.length });
    expect(steps.slice(0, -1).every((step) => step.ok)).toBe(true);
    expect(
      verdict.failed && { step: verdict.failed.step, code: verdict.failed.problem?.code },
    ).toEqual(case_.fails ? { step: case_.fails.step, code: case_.fails.code } : null);
    if (case_.fails?.chunk !== undefined) {
      expect(verdict.failed?.subject.chunk).toBe(case_.fails.chunk);
    }
    expect(structuredClone(events)).toEqual(events);
  });

  test('every step passes somewhere and fails somewhere', async () => {
    const passed = new Set<string>();
    for (const case_ of cases.filter(({ fails }) => !fails)) {
      for (const event of await walk(case_)) if (event.kind === 'step') passed.add(event.step);
    }
    expect([...passed].sort()).toEqual([...STEP_NAMES].sort());
    const failed = new Set(cases.flatMap(({ fails }) => (fails ? [fails.step] : [])));
    expect([...failed].sort()).toEqual([...STEP_NAMES].sort());
  });

  test('every code of an error is shown by a forgery or a walk', () => {
    const codes = [...forgeries, ...cases.flatMap(({ fails }) => fails ?? [])].map((c) => c.code);
    expect([...new Set(codes)].sort()).toEqual([...CHAIN_ERROR_CODES].sort());
  });

  test('a second walk reads only what is new, and keeps what the first one saw', async () => {
    const asked: string[] = [];
    const fetchBytes = recordedNode(answers, asked);
    const walker = new Walker({ genesis: fromHex(genesis), fetchBytes });
    const target = targetOf(named('tensor-followed').target);
    const first = verdictOf(await collect(walker.walk(target)));
    expect(Object.keys(first.checkpoints)).toEqual(['A', 'B']);
    asked.length = 0;
    expect(verdictOf(await collect(walker.walk(target))).ok).toBe(true);
    expect(asked.filter((path) => path.includes('/blocks?'))).toEqual([]);

    const later = new Walker({ genesis: fromHex(genesis), fetchBytes, kept: first.checkpoints });
    const events = await collect(later.walk(target));
    expect(verdictOf(events).ok).toBe(true);
    expect(
      events.filter((event) => event.kind === 'step' && event.step === 'history'),
    ).toHaveLength(2);
  });

  test('a long chain is proved, not read', async () => {
    const asked: string[] = [];
    await walk(named('block-proved'), asked);
    expect(asked.filter((path) => path.startsWith('/chain/B/blocks'))).toEqual([]);
    expect(asked.some((path) => path.startsWith('/proofs/inclusion'))).toBe(true);
  });

  test('progress counts every byte once, and no more than a few chunks are fetched ahead', async () => {
    let open = 0;
    let most = 0;
    const fetchBytes = recordedNode(answers);
    const target = targetOf(named('tensor-followed').target);
    const walker = new Walker({
      genesis: fromHex(genesis),
      fetchBytes: async (path, options) => {
        most = Math.max(most, ++open);
        const bytes = await fetchBytes(path, options);
        open--;
        return bytes;
      },
    });
    const events = await collect(walker.walk(target));
    const last = events.findLast((event) => event.kind === 'progress');
    expect(last).toMatchObject({ unit: 'bytes', done: (2 << 20) + 1000, total: (2 << 20) + 1000 });
    expect(most).toBeLessThanOrEqual(6);
  });

  test('an abort ends the walk', async () => {
    const controller = new AbortController();
    const walker = new Walker({ genesis: fromHex(genesis), fetchBytes: recordedNode(answers) });
    const events = walker.walk(targetOf(named('chains').target), controller.signal);
    await events.next();
    controller.abort(new Error('enough'));
    await expect(collect(events)).rejects.toThrow('enough');
  });
});

test('an answer may take its time; what is silent for a minute is given up', async () => {
  vi.useFakeTimers();
  try {
    let body!: ReadableStreamDefaultController<Uint8Array>;
    const fetchBytes = httpBytes('http://node', async (_url, init) => {
      const start = (controller: typeof body) => {
        body = controller;
        init?.signal?.addEventListener('abort', () => body.error(init.signal?.reason));
      };
      return new Response(new ReadableStream({ start }));
    });
    const slow = fetchBytes('/x', { maxBytes: 10 });
    for (let i = 0; i < 4; i++) {
      await vi.advanceTimersByTimeAsync(50_000);
      body.enqueue(Uint8Array.of(i));
    }
    body.close();
    expect(await slow).toEqual(Uint8Array.of(0, 1, 2, 3));
    expect(vi.getTimerCount()).toBe(0);

    const silent = expect(fetchBytes('/x', { maxBytes: 10 })).rejects.toThrow('nothing came');
    await vi.advanceTimersByTimeAsync(60_000);
    await silent;
  } finally {
    vi.useRealTimers();
  }
});
