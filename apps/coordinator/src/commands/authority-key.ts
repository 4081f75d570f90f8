/** The key that writes blocks: one file under the data directory, readable by its owner only. */
import { randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fromHex, toHex } from '@blyan/chain/hex';
import { generateKeyPair, publicKeyOf } from '@blyan/chain/keys';
import { z } from 'zod';
import { CommandError } from './command.ts';

const Hex32 = z.string().regex(/^[0-9a-f]{64}$/);
const KeyFile = z.object({ publicKey: Hex32, secretKey: Hex32 });

export interface AuthorityKey {
  publicKey: Uint8Array;
  /** 32-byte seed. */
  secretKey: Uint8Array;
}

export const authorityKeyPath = (dataDir: string) => join(dataDir, 'keys', 'authority.json');

/** null when there is none. @throws CommandError for a file that is not a key */
export async function readAuthorityKey(path: string): Promise<AuthorityKey | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw new CommandError(`The authority key ${path} cannot be read: ${(error as Error).message}`);
  }
  const key = parseKey(text);
  if (!key) {
    throw new CommandError(
      `${path} is not an authority key. Put the right file back; a new key could not write to the existing chains.`,
    );
  }
  // Group and others: a copy or an editor may have opened it up.
  if (((await stat(path)).mode & 0o077) !== 0) await chmod(path, 0o600);
  return key;
}

function parseKey(text: string): AuthorityKey | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  const parsed = KeyFile.safeParse(json);
  if (!parsed.success) return null;
  const secretKey = fromHex(parsed.data.secretKey);
  const publicKey = publicKeyOf(secretKey);
  return toHex(publicKey) === parsed.data.publicKey ? { publicKey, secretKey } : null;
}

/** Creates the key; if another process was first, that one's. Never a file that is half written. */
export async function createAuthorityKey(path: string): Promise<AuthorityKey> {
  const { publicKey, secretKey } = generateKeyPair();
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`;
  try {
    await using file = await open(temporary, 'wx', 0o600);
    await file.writeFile(
      `${JSON.stringify({ publicKey: toHex(publicKey), secretKey: toHex(secretKey) }, null, 2)}\n`,
    );
    await file.sync();
    // Unlike a rename, a link does not replace a key that is there.
    await link(temporary, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const other = await readAuthorityKey(path);
    if (other) return other;
    throw error;
  } finally {
    await rm(temporary, { force: true });
  }
  await using directory = await open(dirname(path), 'r');
  await directory.sync();
  return { publicKey, secretKey };
}
