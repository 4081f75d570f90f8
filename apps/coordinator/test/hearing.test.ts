/** What a node's bad word costs, and whom. */
import { expect, test } from 'vitest';
import type { Answers } from '../src/answers.ts';
import { Hearing, type HearingDeps } from '../src/hearing.ts';
import { NodeRegistry } from '../src/nodes.ts';
import { quiet } from './quiet.ts';
import { ofAttempt, running } from './running-answer.ts';

/** Nodes by the key that they joined with. */
function open(keys: Record<string, string>) {
  const nodes = new NodeRegistry();
  for (const [id, keyId] of Object.entries(keys)) {
    nodes.add(id);
    const row = { publicKey: null, draining: false, evicted: false, mark: null, registeredAt: 1 };
    nodes.know({ ...row, id, keyId, scopes: ['serve'] });
  }
  const marked: string[] = [];
  let failed = 0;
  let members: string[] | null = null;
  const hear = (answer: ReturnType<typeof running>, event: object) => {
    const answers = {
      get: () => answer,
      on: () => [],
      failAttempt: () => void failed++,
    } as Partial<Answers> as Answers;
    const deps = {
      answers,
      nodes,
      logger: quiet,
      blame: () => members,
      distrust: (nodeId: string) => void marked.push(nodeId),
    } as Partial<HearingDeps> as HearingDeps;
    const nodeId = answer.running?.nodeId ?? '';
    new Hearing(deps).handle([{ nodeId, event: { ...ofAttempt, ...event } as never }]);
  };
  return {
    nodes,
    marked,
    failures: () => failed,
    gap({ redisRestarted }: { redisRestarted: boolean }) {
      const answer = running(50);
      if (answer.running) answer.running.doubted = redisRestarted;
      hear(answer, { type: 'tokens', position: 3, tokens: [1] });
    },
    fails(code: string) {
      hear(running(50), { type: 'fail', code, message: 'm', retry: true });
    },
    accuses(culprit: string, pipeline: string[]) {
      members = pipeline;
      hear(running(50), { type: 'fail', code: 'STAGE_SHAPE', message: 'm', retry: true, culprit });
    },
  };
}

test.each([
  ['again and again is no accident', false, 1],
  ['behind a restart of Redis excuses a node', true, 0],
])('a gap %s', (_, redisRestarted, times) => {
  const t = open({ 'node-a': 'k' });
  for (let i = 0; i < 5; i++) t.gap({ redisRestarted });
  expect(t.marked).toHaveLength(times);
  expect(t.failures()).toBe(5 - times);
});

test.each([
  ['SESSION_FAILED', true],
  ['SLOTS_FULL', false],
])('a node that fails attempts with %s rests: %s', (code, rests) => {
  const t = open({ 'node-a': 'k' });
  for (let i = 0; i < 3; i++) t.fails(code);
  expect(t.nodes.get('node-a')?.health.isPaused(performance.now())).toBe(rests);
});

const KEYS = { 'node-a': 'k1', b: 'k2', c: 'k3', d: 'k3', e: 'k1', f: 'k4' };

test.each<[string, [culprit: string, members: string[]][], string[]]>([
  ['another node of its key alone', [['d', ['c', 'd']]], ['d']],
  ['a head of another key', [['b', ['node-a', 'b']]], []],
  ['the same head again and again', Array(5).fill(['b', ['node-a', 'b']]), []],
  [
    'heads of two keys, where nobody else was there each time',
    [
      ['b', ['node-a', 'b']],
      ['b', ['c', 'b']],
    ],
    ['b'],
  ],
  [
    'heads of two keys, where a third node was there each time',
    [
      ['b', ['node-a', 'b', 'f']],
      ['b', ['c', 'b', 'f']],
    ],
    [],
  ],
  [
    'two heads of one key',
    [
      ['b', ['node-a', 'b']],
      ['b', ['e', 'b']],
    ],
    [],
  ],
])('accused of a wrong shape by %s', (_, accusations, marked) => {
  const t = open(KEYS);
  for (const [culprit, members] of accusations) t.accuses(culprit, members);
  expect(t.marked).toEqual(marked);
});
