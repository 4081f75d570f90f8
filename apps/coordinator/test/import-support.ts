/** A network of its own in a database of its own, with a blob store beside it. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeBody } from '@blyan/chain/body';
import { ChainVerifier } from '@blyan/chain/verify';
import { appendPort, listBlocks } from '@blyan/db/chain';
import { createDb } from '@blyan/db/client';
import { createTestDatabase } from '@blyan/db/testing';
import { type ImportOptions, importModel } from '@blyan/model/import';
import { BlobStore } from '@blyan/store/blob-store';
import { authorityKeyPath, readAuthorityKey } from '../src/commands/authority-key.ts';
import { initChains } from '../src/commands/init-chains.ts';

const NETWORK = 'import-test';

export async function openNetwork(adminUrl: string) {
  const dir = await mkdtemp(join(tmpdir(), 'import-'));
  const database = await createTestDatabase(adminUrl);
  const db = createDb(database.url);
  const genesis = await initChains({ dataDir: dir, network: NETWORK, time: 1 }, { db });
  const key = await readAuthorityKey(authorityKeyPath(dir));
  if (!key) throw new Error('no key');
  const store = await BlobStore.open(join(dir, 'blobs'));
  const deps = { store, chain: appendPort(db, key), journalDir: join(dir, 'imports') };
  return {
    dir,
    db,
    store,
    deps,
    genesis: genesis.hash,
    /** As the operator runs it. */
    command: (args: string[], nodeArgs: string[] = [], env: NodeJS.ProcessEnv = {}) =>
      startCommand('model-import', args, nodeArgs, {
        ...env,
        DATABASE_URL: database.url,
        REDIS_URL: 'redis://127.0.0.1:1',
        BLYAN_DATA_DIR: dir,
        BLYAN_NETWORK: NETWORK,
      }),
    importModel: (checkpoint: string, options: Partial<ImportOptions> = {}) =>
      importModel(
        checkpoint,
        {
          name: 'test',
          format: null,
          source: { repository: null, revision: null },
          ...options,
        },
        deps,
      ),
    /** Everything that an import may change, but for the mark that the store is a main node's. */
    async state() {
      const files = await readdir(store.dir, { recursive: true });
      const blocks = await db.block.findMany({
        select: { chain: true, height: true, hash: true },
        orderBy: [{ chain: 'asc' }, { height: 'asc' }],
      });
      return { files: files.filter((file) => !/^(tmp|protected$)/.test(file)).sort(), blocks };
    },
    /**
     * What does not depend on who imported when: the hashes of all layer bodies, and the model bodies
     * but for the hashes of the layer blocks, which are headers with an author and a time.
     */
    async bodies() {
      const rows = await db.block.findMany({
        where: { type: { in: ['layer', 'model'] } },
        orderBy: [{ chain: 'desc' }, { height: 'asc' }],
      });
      return rows.map(({ type, bodyHash, body }) => {
        if (type === 'layer') return Buffer.from(bodyHash).toString('hex');
        const { layers, ...model } = decodeBody('model', body);
        return { ...model, groups: layers.map(({ group }) => group) };
      });
    },
    async [Symbol.asyncDispose]() {
      await db.$disconnect();
      await database[Symbol.asyncDispose]();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

export type Network = Awaited<ReturnType<typeof openNetwork>>;

/** All chains, verified from the pinned genesis as a worker does. */
export async function verified(of: Network) {
  const verifier = new ChainVerifier({ genesis: of.genesis });
  const blocks = [];
  for (const chain of ['A', 'B'] as const) {
    for (const { sealed } of await listBlocks(of.db, chain, { from: 0, limit: 500 })) {
      blocks.push(verifier.accept(sealed));
    }
  }
  return blocks;
}

/** Stored bytes. */
export async function blob(of: Network, root: Uint8Array, byteLength: number): Promise<Uint8Array> {
  const bytes = new Uint8Array(byteLength);
  await of.store.readInto(root, bytes);
  return bytes;
}

/** Serves one checkpoint as a hub does, to those who have the token; small files only have Git's hash. */
export async function startHub(o: { id: string; commit: string; token: string; dir: string }) {
  const files = new Map<string, Buffer>();
  for (const name of await readdir(o.dir)) files.set(name, await readFile(join(o.dir, name)));
  const hash = (algorithm: string, ...parts: (string | Buffer)[]) =>
    parts.reduce((sum, part) => sum.update(part), createHash(algorithm)).digest('hex');
  const siblings = [...files].map(([rfilename, bytes]) => ({
    rfilename,
    size: bytes.length,
    blobId: hash('sha1', `blob ${bytes.length}\0`, bytes),
    ...(rfilename.endsWith('.safetensors') && {
      lfs: { sha256: hash('sha256', bytes), size: bytes.length, pointerSize: 134 },
    }),
  }));
  const server = createServer((request, response) => {
    const path = decodeURIComponent(request.url ?? '');
    const file = files.get(path.replace(`/${o.id}/resolve/${o.commit}/`, ''));
    if (request.headers.authorization !== `Bearer ${o.token}`) {
      response.writeHead(401, { 'x-error-code': 'GatedRepo' }).end();
    } else if (path === `/api/models/${o.id}/revision/main?blobs=true`) {
      response.setHeader('content-type', 'application/json');
      response.end(JSON.stringify({ sha: o.commit, siblings }));
    } else if (file) response.end(file);
    else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function startCommand(name: string, args: string[], nodeArgs: string[], env: NodeJS.ProcessEnv) {
  const entry = fileURLToPath(new URL(`../dist/commands/${name}.js`, import.meta.url));
  const child = spawn(process.execPath, [...nodeArgs, entry, ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ended = new Promise<{ code: number | null; output: string }>((resolve) =>
    child.once('close', (code) => resolve({ code, output })),
  );
  return { child, ended, output: () => output };
}
