/** What the report of a chaos run counts, from records that are made up. */
import { describe, expect, test } from 'vitest';
import { judge, type Known, Load, noResult } from '../src/chaos/load.ts';
import { type FaultRecord, isGood, reportOf, reportText } from '../src/chaos/report.ts';
import type { Followed } from '../src/following-client.ts';

const WHOLE: Followed = {
  id: 'follow-1',
  text: 'an answer',
  tokens: 3,
  endings: ['done length'],
  inOrder: true,
  retries: 0,
  connections: 1,
  times: [1, 2, 3],
};
const judged = (change: Partial<Followed>) => {
  const result = noResult();
  judge({ ...WHOLE, ...change }, WHOLE, result);
  return result;
};

describe('an answer that was read to its end', () => {
  test.each<[string, Partial<Followed>, object]>([
    ['the same one', {}, { equal: 1 }],
    ['the same one, in another attempt', { retries: 2 }, { equal: 1, moved: 1 }],
    ['another text', { text: 'another' }, { wrong: ['follow-1: 3 tokens of 3'] }],
    ['a token too few', { tokens: 2 }, { wrong: ['follow-1: 2 tokens of 3'] }],
    ['a gap or a repeat', { inOrder: false }, { doubled: ['follow-1: done length'] }],
    [
      'two ends',
      { endings: ['done length', 'done stop'] },
      { doubled: ['follow-1: done length,done stop'] },
    ],
    ['an error', { endings: ['error no_worker'] }, { failed: { 'error no_worker': 1 } }],
  ])('%s', (_, change, expected) => {
    expect(judged(change)).toEqual({ ...noResult(), ...expected });
  });
});

test('a load counts what it asked: what never ended is lost, and nothing stays open', async () => {
  const { temperature, seed, max_tokens, logit_bias } = {
    temperature: 0,
    seed: 1,
    max_tokens: 3,
    logit_bias: {},
  };
  const question = { prompt: 'p', temperature, seed, max_tokens, logit_bias };
  const known: Known[] = [{ question, answer: WHOLE }];
  const outcomes = [WHOLE, null, { ...WHOLE, endings: ['done stop', 'done stop'] }, WHOLE];
  const seen: number[] = [];
  const load = new Load(
    async (_, { onTokens }) => {
      const outcome = outcomes.shift();
      onTokens?.(WHOLE);
      seen.push(load.open.size);
      if (outcomes.length === 0) load.stop();
      if (!outcome) throw new Error('no end in time');
      return outcome;
    },
    known,
    () => 0,
  );
  await load.client();
  expect(load.result).toEqual({
    ...noResult(),
    asked: 4,
    equal: 2,
    lost: ['no end in time'],
    doubled: ['follow-1: done stop,done stop'],
  });
  expect([seen, load.open.size]).toEqual([[1, 1, 1, 1], 0]);
});

describe('a report', () => {
  const facts = { seed: 1, minutes: 2, workers: 3, open: 0, lateCounts: true };
  const load = (change: object = {}) => ({ ...noResult(), asked: 10, equal: 10, ...change });
  const killed = (...times: (number | null)[]): FaultRecord[] =>
    times.map((recoveryMs, i) => ({ kind: 'worker killed', at: i, recoveryMs }));

  test('has the recovery times by rank, and those over 5 s', () => {
    const records = killed(5001, null, 300, 5000, 100);
    expect(reportOf(facts, load(), records)).toMatchObject({
      requests: 10,
      checked: 10,
      faults: { 'worker killed': 5 },
      recovery: { p50Ms: 300, p99Ms: 5001, worstMs: 5001, late: 1 },
    });
    expect(reportOf(facts, load(), []).recovery).toEqual({
      p50Ms: null,
      p99Ms: null,
      worstMs: null,
      late: 0,
    });
  });

  test.each<[string, boolean, object, object, (number | null)[]]>([
    ['nothing', true, {}, {}, [300, null, 5000]],
    ['a late recovery where only workers are killed', false, {}, {}, [300, 5001]],
    ['a late recovery under random faults', true, {}, { lateCounts: false }, [300, 5001]],
    ['an answer that was lost', false, { lost: ['no end'] }, {}, []],
    ['one that came twice', false, { doubled: ['follow-1: done,done'] }, {}, []],
    ['another text', false, { wrong: ['follow-1: 2 tokens of 3'] }, {}, []],
    ['an error', false, { failed: { 'error no_worker': 1 } }, {}, []],
    ['a row that stayed open', false, {}, { open: 1 }, []],
  ])('with %s: good is %s', (_, good, result, fact, times) => {
    const report = reportOf({ ...facts, ...fact }, load(result), killed(...times));
    expect(isGood(report)).toBe(good);
    expect(reportText(report).split('\n').at(-1)).toBe(
      good ? 'every promise was kept' : 'NOT every promise was kept',
    );
  });
});
