import { toConfig } from './config.ts';
import { createContext } from './context.ts';
import { readEnv } from './env.ts';
import { untilStopped } from './until-stopped.ts';

try {
  await using _context = await createContext(toConfig(readEnv()));
  await untilStopped();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
