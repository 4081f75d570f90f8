import type { Logger } from './logger.ts';

export interface Loop extends AsyncDisposable {
  /** Runs the task now, behind the run in progress if there is one. */
  now(): Promise<void>;
}

/** Runs a task, waits, and runs it again; a failure is logged, and the next run is on time. */
export function every(
  ms: number,
  name: string,
  logger: Logger,
  task: () => Promise<void> | void,
): Loop {
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> = Promise.resolve();
  const once = async () => {
    try {
      if (!stopped) await task();
    } catch (error) {
      logger.warn({ task: name, problem: (error as Error).message }, 'a periodic task failed');
    }
  };
  const run = () => {
    running = running.then(once);
    return running;
  };
  const schedule = () => {
    timer = setTimeout(() => void run().then(() => stopped || schedule()), ms);
  };
  schedule();
  return {
    now: run,
    async [Symbol.asyncDispose]() {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}
