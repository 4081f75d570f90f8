/** `npm run model:import -- <directory or hub id> [options]`: the coordinator's command. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { coordinatorCommand } from './coordinator-command.ts';
import { withDotEnv } from './env.ts';
import { baseEnv, hubEnv } from './parts.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');

/** A command from its source: a plan needs no services, and so no build. */
async function plan(args: string[], source: NodeJS.ProcessEnv): Promise<number> {
  const script = path.join(ROOT, 'apps/coordinator/src/commands/model-plan.ts');
  const tsx = createRequire(import.meta.url).resolve('tsx');
  const child = spawn(process.execPath, ['--import', pathToFileURL(tsx).href, script, ...args], {
    cwd: process.env.INIT_CWD ?? process.cwd(),
    env: { ...baseEnv(source), ...hubEnv(source) },
    stdio: 'inherit',
  });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}

const args = process.argv.slice(2);
if (args.includes('--plan')) process.exitCode = await plan(args, withDotEnv(ROOT, process.env));
else await coordinatorCommand({ name: 'model-import', what: 'The import', args });
