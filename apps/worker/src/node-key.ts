/** The node's own key pair: who holds it is this node. Made at the first start, and kept. */
import { createPrivateKey, createPublicKey, generateKeyPairSync, sign } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { WorkerError } from './errors.ts';

export interface NodeKey {
  /** Raw Ed25519 public key, hex. */
  publicKey: string;
  /** Ed25519 over the text's UTF-8, hex. */
  sign(text: string): string;
  file: string;
  /** The private key, PKCS #8 PEM. */
  pem: string;
}

/**
 * Reads the key file of a worker directory, or makes it, mode 0600.
 * @throws WorkerError NODE_KEY_DAMAGED: it is not made anew, since the node's name belongs to it
 */
export async function keptNodeKey(dir: string): Promise<NodeKey> {
  const file = path.join(dir, 'node-key.pem');
  await mkdir(dir, { recursive: true });
  const { privateKey: fresh } = generateKeyPairSync('ed25519');
  const pem = fresh.export({ type: 'pkcs8', format: 'pem' });
  // Only the first of two starts at once writes.
  await writeFile(file, pem, { flag: 'wx', mode: 0o600 }).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'EEXIST') throw error;
  });
  await chmod(file, 0o600);
  const text = await readFile(file, 'utf8');
  try {
    const key = createPrivateKey(text);
    const { x, crv } = createPublicKey(key).export({ format: 'jwk' });
    if (crv !== 'Ed25519' || x === undefined) throw new Error(`a key of the type ${crv}`);
    return {
      publicKey: Buffer.from(x, 'base64url').toString('hex'),
      sign: (message) => sign(null, Buffer.from(message), key).toString('hex'),
      file,
      pem: text,
    };
  } catch (error) {
    throw new WorkerError(
      'NODE_KEY_DAMAGED',
      `${file} cannot be read as an Ed25519 key (${(error as Error).message}). Restore it from a backup; or delete it and set BLYAN_NODE_ID to a new name, because the old name belongs to the old key.`,
      { file },
    );
  }
}
