/** The second verifier is written in Python: the tests run it with the one on the machine, or Debian's. */
import { spawnSync } from 'node:child_process';
import { LocalError } from './errors.ts';

/** Major and minor version that verifiers/python asks for. */
const MINIMUM = [3, 8] as const;

function version(command: string): string | null {
  const result = spawnSync(command, ['--version'], { encoding: 'utf8' });
  const [, major, minor] = /^Python (\d+)\.(\d+)/.exec(result.stdout ?? '') ?? [];
  if (major === undefined || minor === undefined) return null;
  const right = Number(major) === MINIMUM[0] && Number(minor) >= MINIMUM[1];
  return right ? result.stdout.trim().slice('Python '.length) : null;
}

/** @throws LocalError PYTHON_MISSING */
export function findPython(say: (line: string) => void): { command: string; version: string } {
  const command = 'python3';
  const found = version(command);
  if (found) return { command, version: found };
  const apt = spawnSync('apt-get', ['--version']);
  if (process.getuid?.() === 0 && apt.status === 0) {
    say("Python is not installed: installing Debian's package (apt-get install python3)");
    const options = {
      stdio: ['ignore', 'inherit', 'inherit'] as ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    };
    spawnSync('apt-get', ['-qq', 'update'], options);
    spawnSync('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', 'python3'], options);
    const installed = version(command);
    if (installed) return { command, version: installed };
  }
  throw new LocalError(
    'PYTHON_MISSING',
    `The tests need Python ${MINIMUM.join('.')} or later for the second verifier and there is none: install it (\`sudo apt-get install -y python3\`).`,
  );
}
