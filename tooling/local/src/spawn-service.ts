/**
 * Starts a server that is not ours to program (PostgreSQL, Redis).
 *
 * It gets a session of its own: a Ctrl-C in the terminal goes to every process of the foreground
 * group, and the servers must outlive those that use them. On Linux `setpriv` (util-linux) also has
 * the kernel signal it when we die, so that a `kill -9` of the starter leaves no server behind;
 * elsewhere the next start finds and stops it.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { isAlive, signal, waitForExit } from './processes.ts';

export interface Account {
  name: string;
  uid: number;
  gid: number;
  /** The account cannot reach our files by itself (a clone under /root): let it pass directories. */
  bypass: boolean;
}

export interface ServiceSpec {
  command: string;
  args: string[];
  cwd?: string;
  logFile: string;
  account?: Account;
  /** Sent when this process dies without stopping the service. */
  deathSignal: 'INT' | 'TERM';
}

export interface Service {
  pid: number;
  /** Resolves when it has ended, however it did. */
  exited: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
  /** Signals one after the other until it has ended. */
  stop(steps: { signal: NodeJS.Signals; waitMs: number }[]): Promise<void>;
}

/** The command line prefix that runs a program as an account and ties its life to ours. */
export function prefix(account: Account | undefined, deathSignal?: 'INT' | 'TERM'): string[] {
  if (process.platform !== 'linux' || !hasSetpriv()) return [];
  const flags: string[] = [];
  if (account) {
    flags.push(`--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups');
    // CAP_DAC_OVERRIDE as an ambient capability survives the change of user and the exec.
    if (account.bypass) flags.push('--inh-caps=+dac_override', '--ambient-caps=+dac_override');
  }
  if (deathSignal) flags.push(`--pdeathsig=${deathSignal}`);
  return flags.length === 0 ? [] : ['setpriv', ...flags, '--'];
}

export function hasSetpriv(): boolean {
  try {
    // Old and BusyBox versions lack the option.
    execFileSync('setpriv', ['--pdeathsig=TERM', '--', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

export async function spawnService(spec: ServiceSpec): Promise<Service> {
  const [command, ...args] = [
    ...prefix(spec.account, spec.deathSignal),
    spec.command,
    ...spec.args,
  ] as [string, ...string[]];
  const plainUser = spec.account && command !== 'setpriv' ? spec.account : undefined;
  const log = openSync(spec.logFile, 'a', 0o600);
  let child: ChildProcess;
  try {
    child = spawn(command, args, {
      cwd: spec.cwd,
      detached: true,
      stdio: ['ignore', log, log],
      ...(plainUser && { uid: plainUser.uid, gid: plainUser.gid }),
    });
  } finally {
    closeSync(log);
  }
  const exited = new Promise<Awaited<Service['exited']>>((resolve) =>
    child.once('exit', (code, signalName) => resolve({ code, signal: signalName })),
  );
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', reject);
  });
  const pid = child.pid as number;
  return {
    pid,
    exited,
    async stop(steps) {
      for (const step of steps) {
        if (!isAlive(pid) || child.exitCode !== null || child.signalCode !== null) return;
        signal(pid, step.signal);
        if (await waitForExit([pid], step.waitMs)) break;
      }
      await exited;
    },
  };
}
