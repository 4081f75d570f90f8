/** CPU time of the product's processes, from /proc. */
import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

/** Fields of proc_pid_stat(5), counted from behind the name, which may have spaces. */
const UTIME = 11;
const CHILDREN_UTIME = 13;

async function statOf(pid: number): Promise<number[]> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat
    .slice(stat.lastIndexOf(')') + 2)
    .split(' ')
    .map(Number);
}

export async function childrenOf(pid: number): Promise<number[]> {
  const list = await readFile(`/proc/${pid}/task/${pid}/children`, 'utf8').catch(() => '');
  return list.trim().split(' ').filter(Boolean).map(Number);
}

/** Seconds of a process, and with `children` of those that it has or had. */
async function secondsOf(pid: number, { children }: { children: boolean }): Promise<number> {
  const stat = await statOf(pid);
  const at = (field: number) => (stat[field] ?? 0) + (stat[field + 1] ?? 0);
  const own = (at(UTIME) + (children ? at(CHILDREN_UTIME) : 0)) / TICKS_PER_SECOND;
  if (!children) return own;
  const below = await Promise.all((await childrenOf(pid)).map((id) => secondsOf(id, { children })));
  return own + below.reduce((sum, seconds) => sum + seconds, 0);
}

export const PARTS = ['web', 'coordinator', 'worker', 'engine', 'redis', 'postgres'] as const;
export type Part = (typeof PARTS)[number];

/** Seconds since each part began. @param pids as `Product.pids` gives them */
export async function cpuSeconds(pids: Record<string, number>): Promise<Record<Part, number>> {
  const [engine] = await childrenOf(pids.worker!);
  if (!engine) throw new Error('the worker has no engine process');
  const alone = { children: false };
  const [web, coordinator, worker, engineSeconds, redis, postgres] = await Promise.all([
    secondsOf(pids.web!, alone),
    secondsOf(pids.coordinator!, alone),
    secondsOf(pids.worker!, alone),
    secondsOf(engine, alone),
    secondsOf(pids.redis!, alone),
    // A process for each connection.
    secondsOf(pids.postgres!, { children: true }),
  ]);
  return { web, coordinator, worker, engine: engineSeconds, redis, postgres };
}
