/** Ending: signals, the order in which parts stop, and what a second Ctrl-C does. */
import { setInterval } from 'node:timers';
import type { Reporter } from './report.ts';
import type { Part } from './supervise.ts';

/**
 * One after the other. The web app first: it takes no new question and finishes the open ones, for
 * which coordinator and worker must still be there. Those who keep data last.
 */
const ORDER = ['web', 'coordinator', 'worker', 'redis', 'postgres'];
const PARENT_POLL_MS = 500;

export interface StopSignals {
  /** True after a second Ctrl-C. */
  forced: () => boolean;
  onForce(action: () => void): void;
  done(): void;
}

export function onStopSignal(stopping: AbortController, { line }: Reporter): StopSignals {
  let force = false;
  const actions: (() => void)[] = [];
  const onSignal = () => {
    if (!stopping.signal.aborted) {
      line('\nStopping (Ctrl-C again to force)');
      stopping.abort();
      return;
    }
    // npm passes on the signal that the terminal sends to us too: not a second wish.
    if (Date.now() - first < 500) return;
    if (!force) line('Forcing');
    force = true;
    for (const action of actions) action();
  };
  let first = 0;
  stopping.signal.addEventListener('abort', () => {
    first = Date.now();
  });
  const names: NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  for (const name of names) process.on(name, onSignal);

  // npm ends without telling us when it is killed; then nobody can stop us any more.
  const parent = process.ppid;
  const watch = setInterval(() => {
    if (process.env.npm_lifecycle_event && process.ppid !== parent) stopping.abort();
  }, PARENT_POLL_MS);
  watch.unref();
  return {
    forced: () => force,
    onForce: (action) => void actions.push(action),
    // The handlers stay: a late second Ctrl-C must not cut off what is left of the end.
    done: () => clearInterval(watch),
  };
}

export async function stopInOrder(
  parts: Part[],
  signals: StopSignals,
  { line }: Reporter,
): Promise<void> {
  const sorted = [...parts].sort((a, b) => ORDER.indexOf(a.name) - ORDER.indexOf(b.name));
  if (sorted.length === 0) return;
  for (const part of sorted) {
    const started = Date.now();
    const hurry = new Promise<void>((resolve) => signals.onForce(resolve));
    const stopped = part.stop(signals.forced);
    // A second Ctrl-C while this part drains: do not wait for it any longer.
    await Promise.race([stopped, hurry.then(() => part.stop(() => true))]);
    if (Date.now() - started > 1_000) {
      line(`  ${part.name} stopped after ${((Date.now() - started) / 1000).toFixed(1)} s`);
    }
  }
  line('Stopped.');
}
