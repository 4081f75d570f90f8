/**
 * Where the time of a step goes, for `npm run bench -- engine --only profile`: one line of JSON for each phase,
 * `{phase, parts, steps, ms, groups: [{group, ms}], ops: [{op, ms, calls}]}`. A step runs every part of the stage
 * once; `ms` and `calls` are those of one step, of a prefill those of one chunk. The groups add up to `ms`, which
 * is how long this process waited. Profiling itself takes time: compare the operators with each other, not with
 * other figures.
 *
 * Arguments: directory, threads, and optionally the bytes of the smallest part.
 */
import { load } from './ours.ts';
import { type OpTime, ProfiledSessions, type RunTime } from './profiled-sessions.ts';

const STEPS = 8;
const SEQUENCES = 8;
/** By operator; a q4 stage has no other matrix products. */
const FOUR_BIT = 'MatMulNBits';
const ATTENTION = 'FusedMatMul';

const [dir, threads, partBytes] = process.argv.slice(2);
if (!dir || !threads) throw new Error('see the head of this file');

const sessions = await ProfiledSessions.begin();
const { engine } = await load(dir, Number(threads), SEQUENCES, Number(partBytes) || undefined);
const prompt = (length: number, seed = 0) =>
  Array.from({ length }, (_, i) => 5 + ((i * 37 + seed * 1009) % 4000));

interface Phase {
  name: string;
  ms: number;
  /** Of each session, how many runs it had before and behind. */
  from: number[];
  until: number[];
}
const phases: Phase[] = [];
const phase = async (name: string, work: () => Promise<unknown>) => {
  const from = sessions.runs();
  const start = performance.now();
  await work();
  phases.push({ name, ms: performance.now() - start, from, until: sessions.runs() });
};
const steps = async () => {
  for (let i = 0; i < STEPS; i++) await engine.step();
};
for (const past of [128, 1000]) {
  await engine.prefill([prompt(32)]);
  await phase(`prefill-${past}`, () => engine.prefill([prompt(past)]));
  await phase(`decode-${past}`, steps);
}
await engine.prefill(Array.from({ length: SEQUENCES }, (_, seed) => prompt(128, seed)));
await phase(`decode-128-batch-${SEQUENCES}`, steps);

const times = await sessions.end();
await engine[Symbol.asyncDispose]();
for (const each of phases) console.log(JSON.stringify(summary(each)));

function summary({ name, ms, from, until }: Phase) {
  const count = until[0]! - from[0]!;
  const runs = times.flatMap((all, i): RunTime[] => {
    if (until[i]! - from[i]! !== count) throw new Error(`${name}: parts ran unequally often`);
    return all.slice(from[i], until[i]);
  });
  const ops = new Map<string, OpTime>();
  for (const run of runs) {
    for (const [op, time] of run.ops) {
      const sum = ops.get(op) ?? { ms: 0, calls: 0 };
      ops.set(op, { ms: sum.ms + time.ms, calls: sum.calls + time.calls });
    }
  }
  const binding = runs.reduce((sum, { waited, inside }) => sum + waited - inside, 0);
  const groups: [group: string, ms: number][] = [
    ['4-bit products', ops.get(FOUR_BIT)?.ms ?? 0],
    ['attention products', ops.get(ATTENTION)?.ms ?? 0],
    ['inputs and binding', binding],
  ];
  // Other operators, what the runtime does between them, writing K and V, choosing tokens.
  groups.push(['other', ms - groups.reduce((sum, [, part]) => sum + part, 0)]);
  return {
    phase: name,
    parts: sessions.count,
    steps: count,
    ms: ms / count,
    groups: groups.map(([group, part]) => ({ group, ms: part / count })),
    ops: [...ops]
      .map(([op, time]) => ({ op, ms: time.ms / count, calls: time.calls / count }))
      .sort((a, b) => b.ms - a.ms),
  };
}
