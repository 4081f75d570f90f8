import { runDoctor } from './cli/doctor.ts';
import { workerProgram } from './cli/program.ts';
import { runWorker } from './cli/run.ts';
import { runStatus } from './cli/status.ts';
import { environment } from './env.ts';

/** A connection that does not let go must not keep a worker that has ended. */
const LINGER_MS = 3000;

try {
  const actions = { run: runWorker, doctor: runDoctor, status: runStatus };
  await workerProgram(actions, environment()).parseAsync();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
setTimeout(() => process.exit(), LINGER_MS).unref();
