/** Builds the apps through turbo, whose cache knows whether sources changed. */
import { existsSync } from 'node:fs';
import path from 'node:path';
import { runCommand } from './command.ts';

export interface BuildOptions {
  root: string;
  logFile: string;
  env: NodeJS.ProcessEnv;
  signal?: AbortSignal;
  /** One package and what it needs; default: all. */
  only?: string;
}

export interface BuildResult {
  cached: number;
  total: number;
}

export async function build(o: BuildOptions, onLine: (line: string) => void): Promise<BuildResult> {
  const turbo = path.join(o.root, 'node_modules', '.bin', 'turbo');
  const lines = await runCommand(
    {
      what: 'The build',
      command: existsSync(turbo) ? turbo : 'turbo',
      args: [
        'run',
        'build',
        ...(o.only ? [`--filter=${o.only}`] : []),
        '--no-color',
        '--log-order=stream',
        '--output-logs=new-only',
      ],
      cwd: o.root,
      env: o.env,
      logFile: o.logFile,
      code: 'BUILD_FAILED',
    },
    { signal: o.signal, onLine },
  );
  const found = lines.map((line) => /Cached:\s+(\d+) cached, (\d+) total/.exec(line)).find(Boolean);
  return { cached: Number(found?.[1] ?? 0), total: Number(found?.[2] ?? 0) };
}
