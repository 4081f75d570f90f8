/** Generated secrets under the data directory, mode 0600: made once, used again by every start. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import path from 'node:path';
import { z } from 'zod';
import { LocalError } from './errors.ts';

/** 256 bits. */
const secret = () => randomBytes(32).toString('hex');

async function writeSecret(file: string, text: string): Promise<void> {
  await mkdir(path.dirname(file), { recursive: true });
  const fresh = `${file}.new`;
  const handle = await open(fresh, 'w', 0o600);
  try {
    await handle.chmod(0o600);
    await handle.writeFile(text);
    await handle.sync();
  } finally {
    await handle.close();
  }
  await rename(fresh, file);
}

const Service = z.object({ port: z.number().int().min(0).max(65535), password: z.string().min(1) });
const Services = z.object({ postgres: Service, redis: Service });
export type ServicesFile = z.infer<typeof Services>;

export async function readServices(dataDir: string): Promise<ServicesFile> {
  const file = path.join(dataDir, 'services.json');
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) {
    const made = {
      postgres: { port: 0, password: secret() },
      redis: { port: 0, password: secret() },
    };
    await writeServices(dataDir, made);
    return made;
  }
  try {
    return Services.parse(JSON.parse(text));
  } catch {
    throw new LocalError(
      'DATA_DIR',
      `${file} holds the passwords of the local services and cannot be read: restore it, or move ${dataDir} away to begin anew.`,
    );
  }
}

export const writeServices = (dataDir: string, services: ServicesFile) =>
  writeSecret(path.join(dataDir, 'services.json'), `${JSON.stringify(services, null, 2)}\n`);

/** The key that the local worker and the web app share. */
export const readApiKey = (dataDir: string) => readKey(dataDir, 'api-key', 16);

/** With it the web app signs the sessions of admins and encrypts their second factors. */
export const readAuthSecret = (dataDir: string) => readKey(dataDir, 'auth-secret', 32);

async function readKey(dataDir: string, name: string, minLength: number): Promise<string> {
  const dir = path.join(dataDir, 'keys');
  await mkdir(dir, { recursive: true, mode: 0o700 });
  await chmod(dir, 0o700);
  const file = path.join(dir, name);
  const found = (await readFile(file, 'utf8').catch(() => '')).trim();
  if (found.length >= minLength) return found;
  const made = secret();
  await writeSecret(file, `${made}\n`);
  return made;
}
