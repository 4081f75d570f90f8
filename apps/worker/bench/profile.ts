/**
 * Time by operator inside the runtime, for `npm run bench -- engine --only profile`: one line of JSON
 * for each phase, `{phase, runs, ms, ops: [{op, ms, calls}]}`; `ms` and `calls` are those of one run.
 * Profiling itself takes time: compare the operators with each other, not with other figures.
 *
 * Arguments: directory, threads.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { z } from 'zod';
import { load } from './ours.ts';

const STEPS = 8;
const SEQUENCES = 8;

/** Of the runtime's trace: microseconds since its beginning. */
const Event = z.object({
  cat: z.string(),
  name: z.string(),
  ts: z.number(),
  dur: z.number(),
  args: z.object({ op_name: z.string().optional() }).optional(),
});
type Event = z.infer<typeof Event>;

const [dir, threads] = process.argv.slice(2);
if (!dir || !threads) throw new Error('see the head of this file');

const traceDir = await mkdtemp(join(tmpdir(), 'blyan-profile-'));
let session: InferenceSession | null = null;
let runs = 0;
// The engine has no option for what only a benchmark wants, so the runtime's entry is wrapped.
const create = InferenceSession.create as (...args: unknown[]) => Promise<InferenceSession>;
Object.assign(InferenceSession, {
  create: async (model: unknown, options: object) => {
    const profiling = { enableProfiling: true, profileFilePrefix: join(traceDir, 'trace') };
    session = await create.call(InferenceSession, model, { ...options, ...profiling });
    const run = session.run.bind(session) as (...args: unknown[]) => unknown;
    Object.assign(session, {
      run(...args: unknown[]) {
        runs++;
        return run(...args);
      },
    });
    return session;
  },
});

const { engine } = await load(dir, Number(threads), SEQUENCES);
const prompt = (length: number, seed = 0) =>
  Array.from({ length }, (_, i) => 5 + ((i * 37 + seed * 1009) % 4000));
/** Names, and runs of the session until their end. */
const phases: { name: string; until: number }[] = [];
const phase = async (name: string, work: () => Promise<unknown>) => {
  await work();
  phases.push({ name, until: runs });
};
const steps = async () => {
  for (let i = 0; i < STEPS; i++) await engine.step();
};
for (const past of [128, 1000]) {
  await phase('', () => engine.prefill([prompt(32)]));
  await phase(`prefill-${past}`, () => engine.prefill([prompt(past)]));
  await phase(`decode-${past}`, steps);
}
await phase('', () =>
  engine.prefill(Array.from({ length: SEQUENCES }, (_, seed) => prompt(128, seed))),
);
await phase(`decode-128-batch-${SEQUENCES}`, steps);

session = session as unknown as InferenceSession;
session.endProfiling();
await engine[Symbol.asyncDispose]();
const [file] = await readdir(traceDir);
const trace = JSON.parse(await readFile(join(traceDir, file!), 'utf8')) as unknown[];
await rm(traceDir, { recursive: true });

const events = trace.flatMap((event) => Event.safeParse(event).data ?? []);
const modelRuns = events.filter(({ name }) => name === 'model_run').sort((a, b) => a.ts - b.ts);
const kernels = events.filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'));
let from = 0;
for (const { name, until } of phases) {
  if (name !== '') console.log(JSON.stringify({ phase: name, ...summary(from, until) }));
  from = until;
}

function summary(first: number, end: number) {
  const within = modelRuns.slice(first, end);
  const [start, last] = [within[0]!, within.at(-1)!];
  const inPhase = ({ ts }: Event) => ts >= start.ts && ts <= last.ts + last.dur;
  const ops = new Map<string, { ms: number; calls: number }>();
  for (const { args, dur } of kernels.filter(inPhase)) {
    const op = args?.op_name ?? 'unknown';
    const sum = ops.get(op) ?? { ms: 0, calls: 0 };
    ops.set(op, { ms: sum.ms + dur / 1000, calls: sum.calls + 1 });
  }
  const count = within.length;
  return {
    runs: count,
    ms: within.reduce((sum, { dur }) => sum + dur / 1000, 0) / count,
    ops: [...ops]
      .map(([op, { ms, calls }]) => ({ op, ms: ms / count, calls: calls / count }))
      .sort((a, b) => b.ms - a.ms),
  };
}
