/** What the commands share: errors as one sentence, stopping on signals, exit codes. */
import { type Env, readEnv } from '../env.ts';

/** Something the operator can put right; its message is all that is printed. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
}

/** As a shell reports a process that was interrupted. */
const INTERRUPTED = 130;
const TYPED = new Set([
  'ModelError',
  'StoreError',
  'ChainError',
  'DbError',
  'QueueError',
  'CommandError',
]);

/** Runs an entry file's work and sets the exit code. */
export async function runCommand(work: (signal: AbortSignal) => Promise<void>): Promise<void> {
  const stopping = new AbortController();
  const stop = () => stopping.abort();
  process.once('SIGINT', stop).once('SIGTERM', stop);
  try {
    await work(stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted) {
      process.stderr.write('\nStopped. Run the same command again to go on.\n');
      process.exitCode = INTERRUPTED;
      return;
    }
    process.stderr.write(`\n${describe(error)}\n`);
    process.exitCode = 1;
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop);
  }
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (TYPED.has(error.name)) return error.message;
  if ((error as NodeJS.ErrnoException).code === 'ENOSPC') {
    return `The disk is full. Free some space and run the same command again. (${error.message})`;
  }
  return error.stack ?? error.message;
}

/** The environment; a wrong variable is the operator's to put right. */
export function commandEnv(): Env {
  try {
    return readEnv();
  } catch (error) {
    throw new CommandError((error as Error).message);
  }
}
