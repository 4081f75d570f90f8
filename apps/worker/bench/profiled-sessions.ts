/**
 * All sessions that the runtime creates from now on, profiled: a stage has several, one for each of its parts,
 * and each writes a trace of its own with a clock of its own.
 */
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { InferenceSession } from 'onnxruntime-node';
import { z } from 'zod';

/** Of the runtime's trace: microseconds since its beginning. */
const Event = z.object({
  cat: z.string(),
  name: z.string(),
  ts: z.number(),
  dur: z.number(),
  args: z.object({ op_name: z.string().optional() }).optional(),
});
type Event = z.infer<typeof Event>;

/** Milliseconds. */
export interface OpTime {
  ms: number;
  calls: number;
}

export interface RunTime {
  /** From the call until its result was there, with what the binding does before and after. */
  waited: number;
  /** Inside the runtime. */
  inside: number;
  /** By operator, without those in its branches. */
  ops: Map<string, OpTime>;
}

interface Profiled {
  session: InferenceSession;
  /** Of each run so far. */
  waited: number[];
}

export class ProfiledSessions {
  readonly #dir: string;
  readonly #all: Profiled[] = [];

  private constructor(dir: string) {
    this.#dir = dir;
  }

  /** The engine has no option for what only a benchmark wants, so the runtime's entry is wrapped. */
  static async begin(): Promise<ProfiledSessions> {
    const sessions = new ProfiledSessions(await mkdtemp(join(tmpdir(), 'blyan-profile-')));
    const create = InferenceSession.create as (...args: unknown[]) => Promise<InferenceSession>;
    Object.assign(InferenceSession, {
      create: async (model: unknown, options: object) => {
        const session = await create.call(InferenceSession, model, {
          ...options,
          enableProfiling: true,
          profileFilePrefix: join(sessions.#dir, `trace-${sessions.#all.length}-`),
        });
        sessions.#add(session);
        return session;
      },
    });
    return sessions;
  }

  #add(session: InferenceSession): void {
    const waited: number[] = [];
    const run = session.run.bind(session) as (...args: unknown[]) => Promise<unknown>;
    Object.assign(session, {
      async run(...args: unknown[]) {
        const start = performance.now();
        const result = await run(...args);
        waited.push(performance.now() - start);
        return result;
      },
    });
    this.#all.push({ session, waited });
  }

  /** How many there are. */
  get count(): number {
    return this.#all.length;
  }

  /** How many runs each had until now: not all have the same, since loading asks some of them more. */
  runs(): number[] {
    return this.#all.map(({ waited }) => waited.length);
  }

  /** Ends profiling. @returns the runs of each session, in their order */
  async end(): Promise<RunTime[][]> {
    for (const { session } of this.#all) session.endProfiling();
    const files = await readdir(this.#dir);
    const times: RunTime[][] = [];
    for (const [i, { waited }] of this.#all.entries()) {
      const file = files.find((name) => name.startsWith(`trace-${i}-`));
      if (!file) throw new Error(`the runtime wrote no trace of session ${i}`);
      const trace: unknown[] = JSON.parse(await readFile(join(this.#dir, file), 'utf8'));
      times.push(runTimes(trace, waited));
    }
    await rm(this.#dir, { recursive: true });
    return times;
  }
}

function runTimes(trace: unknown[], waited: readonly number[]): RunTime[] {
  const events = trace
    .flatMap((event) => Event.safeParse(event).data ?? [])
    // What contains others comes before them.
    .sort((a, b) => a.ts - b.ts || b.dur - a.dur);
  const runs = events.filter(({ name }) => name === 'model_run');
  if (runs.length !== waited.length) {
    throw new Error(`${runs.length} runs in a trace of ${waited.length}`);
  }
  const kernels = events.filter(({ cat, name }) => cat === 'Node' && name.endsWith('_kernel_time'));
  let next = 0;
  return runs.map(({ ts, dur }, i) => {
    const from = next;
    while (next < kernels.length && kernels[next]!.ts <= ts + dur) next++;
    return { waited: waited[i]!, inside: dur / 1000, ops: byOperator(kernels.slice(from, next)) };
  });
}

/** A branch's operators are inside of the `If` that chose it: their time is not its own. */
function byOperator(kernels: readonly Event[]): Map<string, OpTime> {
  const ops = new Map<string, OpTime>();
  const open: { end: number; own: OpTime }[] = [];
  for (const { ts, dur, args } of kernels) {
    const name = args?.op_name ?? 'unknown';
    const own = ops.get(name) ?? { ms: 0, calls: 0 };
    ops.set(name, own);
    while (open.length > 0 && open.at(-1)!.end <= ts) open.pop();
    const outer = open.at(-1);
    if (outer) outer.own.ms -= dur / 1000;
    own.ms += dur / 1000;
    own.calls++;
    open.push({ end: ts + dur, own });
  }
  return ops;
}
