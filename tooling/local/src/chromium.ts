/** Tests drive a real browser: the one on the machine, else Debian's, installed when we may. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import path from 'node:path';
import { LocalError } from './errors.ts';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable', 'chrome'];
const MAC = '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome';
const HINT = 'install it (`sudo apt-get install -y chromium`) or name a browser with CHROMIUM_PATH';

function onPath(name: string): string | null {
  for (const dir of (process.env.PATH ?? '').split(path.delimiter)) {
    if (dir && existsSync(path.join(dir, name))) return path.join(dir, name);
  }
  return null;
}

function find(): string | null {
  for (const name of NAMES) {
    const found = onPath(name);
    if (found) return found;
  }
  return existsSync(MAC) ? MAC : null;
}

export function findChromium(env: NodeJS.ProcessEnv, say: (line: string) => void): string {
  const given = env.CHROMIUM_PATH;
  if (given) {
    if (existsSync(given)) return given;
    throw new LocalError(
      'CHROMIUM_MISSING',
      `CHROMIUM_PATH names ${given}, which does not exist: ${HINT}.`,
    );
  }
  const found = find();
  if (found) return found;
  if (process.getuid?.() === 0 && onPath('apt-get')) {
    say("Chromium is not installed: installing Debian's package (apt-get install chromium)");
    const options = {
      stdio: ['ignore', 'inherit', 'inherit'] as ['ignore', 'inherit', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    };
    spawnSync('apt-get', ['-qq', 'update'], options);
    spawnSync('apt-get', ['-qq', 'install', '-y', '--no-install-recommends', 'chromium'], options);
    const installed = find();
    if (installed) return installed;
  }
  throw new LocalError('CHROMIUM_MISSING', `The tests need Chromium and there is none: ${HINT}.`);
}
