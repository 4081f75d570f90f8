/**
 * PostgreSQL refuses to run as root. When we are root it runs as an account without rights:
 * `postgres` if the machine has one, else one that we create, else `nobody`.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { LocalError } from './errors.ts';
import { type Account, hasSetpriv, prefix } from './spawn-service.ts';

const run = promisify(execFile);
const CREATED = 'blyan-postgres';

async function lookUp(name: string): Promise<{ name: string; uid: number; gid: number } | null> {
  try {
    const [uid, gid] = await Promise.all([run('id', ['-u', name]), run('id', ['-g', name])]);
    return { name, uid: Number(uid.stdout), gid: Number(gid.stdout) };
  } catch {
    return null;
  }
}

/** Can the account run the program and write in the directory? */
async function reaches(account: Account, program: string, dir: string): Promise<boolean> {
  const script = '"$1" --version >/dev/null && test -x "$2" && test -w "$2"';
  const shell = ['sh', '-c', script, 'sh', program, dir];
  const [command, ...args] = [...prefix(account), ...shell] as [string, ...string[]];
  const options = command === 'setpriv' ? {} : { uid: account.uid, gid: account.gid };
  return run(command, args, { cwd: '/', ...options }).then(
    () => true,
    () => false,
  );
}

/** `dir` exists and belongs to the account that is returned (or to us, without one). */
export async function serverAccount(
  { program, dir }: { program: string; dir: string },
  { chown, say }: { chown: (account: Account) => Promise<void>; say: (line: string) => void },
): Promise<Account | undefined> {
  if (process.getuid?.() !== 0) return undefined;
  let found = (await lookUp('postgres')) ?? (await lookUp(CREATED));
  if (!found) {
    say(`PostgreSQL does not run as root: creating the system account ${CREATED}`);
    await run('useradd', ['--system', '--no-create-home', '--shell', '/usr/sbin/nologin', CREATED])
      // Busybox, as in Alpine.
      .catch(() => run('adduser', ['-S', '-D', '-H', CREATED]))
      .catch(() => undefined);
    found = (await lookUp(CREATED)) ?? (await lookUp('nobody'));
  }
  if (found) {
    for (const bypass of [false, true]) {
      if (bypass && !hasSetpriv()) continue;
      const account = { ...found, bypass };
      await chown(account);
      if (await reaches(account, program, dir)) return account;
    }
  }
  throw new LocalError(
    'POSTGRES_FAILED',
    `PostgreSQL refuses to run as root and the account ${found?.name ?? 'nobody'} cannot reach ${dir}: ` +
      'run this command as an ordinary user, move the clone out of /root, or set DATABASE_URL.',
  );
}
