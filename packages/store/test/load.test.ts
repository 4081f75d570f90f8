import { appendFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sealBlock } from '@blyan/chain/block';
import { createGenesis, deriveGenesis } from '@blyan/chain/genesis';
import { generateKeyPair } from '@blyan/chain/keys';
import { Frontier, leafHash } from '@blyan/chain/merkle';
import { sha256 } from '@blyan/chain/sha256';
import { VerifiedTensor } from '@blyan/chain/tensor';
import { ChainVerifier } from '@blyan/chain/verify';
import { VerifyThread } from '@blyan/chain/verify-thread';
import { BlobStore } from '@blyan/store/blob-store';
import { httpSource } from '@blyan/store/http-source';
import { type Healed, loadTensor as load, loadFile } from '@blyan/store/load';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  describeBlob,
  flip,
  LEAF_SIZE,
  pattern,
  serve,
  type TestBlob,
  tempDir,
} from './support.ts';

const NAME = 'model.layers.0.mlp.up_proj.weight';
const tensor = describeBlob(pattern(3 * LEAF_SIZE + 64, 11));
const file = describeBlob(pattern(1000, 12));

/** A layer block with the tensor and a model block with the file, verified from their genesis. */
function chains() {
  const { publicKey, secretKey } = generateKeyPair();
  const time = 1_700_000_000_000;
  const a = createGenesis({ network: 'store-test', authorities: [publicKey], time, secretKey });
  const b = deriveGenesis(a, 'B', secretKey);
  const verifier = new ChainVerifier({ genesis: a.hash });
  verifier.accept(a.sealed);
  verifier.accept(b.sealed);
  const log = (hash: Uint8Array) => {
    const frontier = Frontier.empty();
    frontier.append(leafHash(hash));
    return frontier.root();
  };
  const recipe = { name: 'raw', version: 1 };
  const source = {
    file: sha256(tensor.bytes),
    offset: 0,
    length: tensor.byteLength,
    root: tensor.root,
  };
  const layer = verifier.accept(
    sealBlock({
      chain: 'B',
      height: 1,
      prev: b.hash,
      time,
      type: 'layer',
      anchor: a.hash,
      log: log(b.hash),
      secretKey,
      body: {
        group: 'layer.0',
        tensors: [
          {
            name: NAME,
            role: 'mlp.up',
            dtype: 'f32',
            shape: [tensor.byteLength / 4],
            format: 'f32',
            byteLength: tensor.byteLength,
            leafSize: LEAF_SIZE,
            root: tensor.root,
            source,
            recipe,
          },
        ],
      },
    }),
  );
  const stored = {
    path: 'config.json',
    byteLength: file.byteLength,
    sha256: sha256(file.bytes),
    root: file.root,
  };
  const model = verifier.accept(
    sealBlock({
      chain: 'A',
      height: 1,
      prev: a.hash,
      time,
      type: 'model',
      anchor: null,
      log: log(a.hash),
      secretKey,
      body: {
        name: 'test',
        family: 'qwen3',
        parameters: 1,
        files: [stored],
        recipe,
        layers: [
          { group: 'embedding', block: layer.hash },
          { group: 'norm', block: layer.hash },
        ],
        source: {
          repository: null,
          revision: null,
          files: [{ path: 'model.safetensors', byteLength: 1, sha256: stored.sha256 }],
        },
      },
    }),
  );
  if (!layer.isType('layer') || !model.isType('model')) throw new Error('unreachable');
  const [entry] = model.body.files;
  if (!entry) throw new Error('unreachable');
  return { block: layer, file: entry };
}

const { block, file: entry } = chains();
const WHERE = { chain: 'B', height: 1, tensor: NAME };

async function setup(blobs: TestBlob[] = [tensor]) {
  const dir = await tempDir();
  const store = await BlobStore.open(dir.path);
  for (const one of blobs) await store.put(one.bytes);
  const path = join(dir.path, tensor.hex.slice(0, 2), tensor.hex);
  const healed: Healed[] = [];
  const onHealed = (h: Healed) => void healed.push(h);
  return { store, path, healed, onHealed, [Symbol.asyncDispose]: () => dir[Symbol.asyncDispose]() };
}

describe.each(['this thread', 'another thread'])('loadTensor, verified by %s', (by) => {
  let thread: VerifyThread | undefined;
  beforeAll(() => {
    if (by === 'another thread') thread = new VerifyThread();
  });
  afterAll(() => thread?.[Symbol.asyncDispose]());
  const loadTensor: typeof load = (wanted, deps) => load(wanted, { ...deps, thread });

  it('gives the verified bytes in memory of their own', async () => {
    await using t = await setup();
    const loaded = await loadTensor({ block, name: NAME }, { store: t.store, sources: [] });
    expect(Buffer.compare(loaded.bytes, tensor.bytes)).toBe(0);
    expect(loaded.bytes.buffer.byteLength).toBe(tensor.byteLength);
    expect(loaded.block).toMatchObject({ chain: 'B', height: 1 });
  });

  it.each([
    [
      'one flipped bit',
      (path: string) => writeFile(path, flip(tensor.bytes, 2 * LEAF_SIZE + 9)),
      2,
    ],
    ['a truncated file', (path: string) => truncate(path, 3 * LEAF_SIZE + 1), 3],
    ['an empty file', (path: string) => truncate(path, 0), 0],
  ])(
    '%s without another source names chain, height, tensor and chunk',
    async (_, damage, chunk) => {
      await using t = await setup();
      await damage(t.path);
      const failed = loadTensor({ block, name: NAME }, { store: t.store, sources: [] });
      await expect(failed).rejects.toMatchObject({
        code: 'CHUNK_CORRUPT',
        details: { ...WHERE, chunk, root: tensor.hex },
        message: expect.stringContaining(`${NAME} of block 1 on chain B: chunk ${chunk}`),
      });
    },
  );

  it('heals itself from a second source, on disk too, and says so', async () => {
    await using t = await setup();
    const twice = flip(flip(tensor.bytes, 5), 3 * LEAF_SIZE + 1);
    await writeFile(t.path, twice);
    await using server = await serve([tensor]);
    const sources = [httpSource('http://127.0.0.1:1'), httpSource(server.url)];
    const deps = { store: t.store, sources, onHealed: t.onHealed };
    const loaded = await loadTensor({ block, name: NAME }, deps);
    expect(Buffer.compare(loaded.bytes, tensor.bytes)).toBe(0);
    const from = { root: tensor.hex, tensor: NAME, source: server.url };
    expect(t.healed).toEqual([
      { ...from, chunk: 0 },
      { ...from, chunk: 3 },
    ]);
    expect(server.ranges).toHaveLength(2);
    // The disk is whole again: no source is needed now.
    await loadTensor({ block, name: NAME }, { store: t.store, sources: [] });
  });

  it('is not healed by a source with the same damage', async () => {
    await using t = await setup();
    const bad = flip(tensor.bytes, LEAF_SIZE);
    await writeFile(t.path, bad);
    await using liar = await serve([{ ...tensor, bytes: bad }]);
    const deps = { store: t.store, sources: [httpSource(liar.url)], onHealed: t.onHealed };
    await expect(loadTensor({ block, name: NAME }, deps)).rejects.toMatchObject({
      code: 'CHUNK_CORRUPT',
      details: { ...WHERE, chunk: 1 },
    });
    expect(t.healed).toEqual([]);
  });

  it('fetches a missing blob, or says that it is missing', async () => {
    await using t = await setup([]);
    const failed = loadTensor({ block, name: NAME }, { store: t.store, sources: [] });
    await expect(failed).rejects.toMatchObject({ code: 'BLOB_MISSING', details: WHERE });
    await using server = await serve([tensor]);
    const deps = { store: t.store, sources: [httpSource(server.url)] };
    const loaded = await loadTensor({ block, name: NAME }, deps);
    expect(Buffer.compare(loaded.bytes, tensor.bytes)).toBe(0);
  });

  it('puts a damaged leaf list right, and bytes behind the end', async () => {
    await using t = await setup();
    await writeFile(`${t.path}.leaves`, 'nonsense');
    await appendFile(t.path, 'more');
    const deps = { store: t.store, sources: [], onHealed: t.onHealed };
    await loadTensor({ block, name: NAME }, deps);
    expect(Buffer.compare(await t.store.leaves(tensor.hex), tensor.leaves)).toBe(0);
    expect(await t.store.stat(tensor.hex)).toEqual({ byteLength: tensor.byteLength });
    expect(t.healed).toMatchObject([{ chunk: 3, source: null }]);
    await rm(`${t.path}.leaves`);
    await writeFile(t.path, flip(tensor.bytes, 0));
    await expect(loadTensor({ block, name: NAME }, deps)).rejects.toMatchObject({
      code: 'LEAVES_CORRUPT',
      details: WHERE,
    });
    await using server = await serve([tensor]);
    await loadTensor({ block, name: NAME }, { ...deps, sources: [httpSource(server.url)] });
  });

  it('stops when it is told to', async () => {
    await using t = await setup();
    const signal = AbortSignal.abort(new Error('drained'));
    const stopped = loadTensor({ block, name: NAME }, { store: t.store, sources: [], signal });
    await expect(stopped).rejects.toThrow('drained');
  });
});

describe('a thread that verifies', () => {
  it('gives the buffer away whole, and its memory can be given back', async () => {
    await using t = await setup();
    await using thread = new VerifyThread();
    const files = t.store.files(tensor.root);
    const verified = await thread.load({ block, tensor: NAME, files });
    expect(VerifiedTensor.isVerified(verified)).toBe(true);
    expect(Buffer.compare(verified!.bytes, tensor.bytes)).toBe(0);
    expect(verified!.descriptor).toBe(block.body.tensors[0]);
    verified!.release();
    expect(verified!.bytes).toHaveLength(0);
  });

  it.each([
    ['a missing file', (path: string) => rm(path)],
    ['a flipped bit', (path: string) => writeFile(path, flip(tensor.bytes, LEAF_SIZE))],
    ['a file that is too short', (path: string) => truncate(path, LEAF_SIZE)],
    ['a file that is too long', (path: string) => appendFile(path, 'more')],
    ['another leaf list', (path: string) => writeFile(`${path}.leaves`, flip(tensor.leaves, 3))],
    ['a lost leaf list', (path: string) => rm(`${path}.leaves`)],
    [
      'a leaf list that was changed with the bytes',
      async (path: string) => {
        const other = describeBlob(flip(tensor.bytes, 7));
        await writeFile(path, other.bytes);
        await writeFile(`${path}.leaves`, other.leaves);
      },
    ],
  ])('has nothing to say about %s, and goes on', async (_, damage) => {
    await using t = await setup();
    await using other = await setup();
    await using thread = new VerifyThread();
    await damage(t.path);
    const wanted = { block, tensor: NAME };
    const files = t.store.files(tensor.root);
    expect(await thread.load({ ...wanted, files })).toBeNull();
    const whole = other.store.files(tensor.root);
    expect(await thread.load({ ...wanted, files: whole })).not.toBeNull();
  });

  it('ends with its signal and when it is disposed of: who waits is told, who asks later too', async () => {
    await using t = await setup();
    const wanted = { block, tensor: NAME, files: t.store.files(tensor.root) };
    const stop = new AbortController();
    const stopped = new VerifyThread(stop.signal);
    const asked = stopped.load(wanted);
    stop.abort();
    expect(await asked).toBeNull();
    expect(await stopped.load(wanted)).toBeNull();
    await stopped[Symbol.asyncDispose]();
    const disposed = new VerifyThread();
    const waiting = disposed.load(wanted);
    await disposed[Symbol.asyncDispose]();
    expect(await waiting).toBeNull();
    expect(await disposed.load(wanted)).toBeNull();
  });
});

describe('loadFile', () => {
  it('verifies, heals and names the file', async () => {
    await using t = await setup([file]);
    const loaded = await loadFile(entry, { store: t.store, sources: [] });
    expect(Buffer.compare(loaded, file.bytes)).toBe(0);
    const path = join(t.store.dir, file.hex.slice(0, 2), file.hex);
    await writeFile(path, flip(file.bytes, 1));
    await expect(loadFile(entry, { store: t.store, sources: [] })).rejects.toMatchObject({
      code: 'CHUNK_CORRUPT',
      details: { chain: 'A', height: 1, tensor: 'config.json', chunk: 0 },
    });
  });
});
