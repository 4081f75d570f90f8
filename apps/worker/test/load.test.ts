/** Stages in several parts, which a thread reads and verifies ahead. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '@blyan/chain/hex';
import { resolveModel } from '@blyan/chain/model';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type LoadDeps, loadHead, loadStage, pickModel } from '../src/engine/load-model.ts';
import { micro } from './support/models.ts';
import { createNetwork, type Network } from './support/network.ts';

const IDS = [3, 17, 255, 9, 44];
/** A part for each layer. */
const CUT = { threads: 1, partBytes: 1 };

/** Threads of this process that run JavaScript beside this one. */
function threads(): unknown[] {
  const { workers } = process.report.getReport() as unknown as { workers: unknown[] };
  return workers;
}

describe.each(['qwen3-micro', 'qwen3-micro-tied'])('%s in parts', (checkpoint) => {
  let network: Network;
  beforeAll(async () => {
    network = await createNetwork();
    await network.import(micro(checkpoint), 'test', 'q4');
  });
  afterAll(() => network?.[Symbol.asyncDispose]());

  const load = (deps: Partial<LoadDeps> = {}, options: object = CUT) =>
    loadStage(
      { verifier: network.verifier, model: pickModel(network.verifier) },
      { store: network.store, sources: [], ...deps },
      { threads: 1, ...options },
    );
  /** Of the first layer, which is loaded last. */
  const late = () => {
    const blocks = resolveModel(pickModel(network.verifier), network.verifier);
    const block = blocks.find(({ body }) => body.group === 'layer.0')!;
    const tensor = block.body.tensors.at(-1)!;
    const root = toHex(tensor.root);
    return { block, tensor, path: join(network.store.dir, root.slice(0, 2), root) };
  };

  it('has the bits of one part, and the same size', async () => {
    const whole = await load({}, {});
    await using one = whole.session;
    const cut = await load();
    await using several = cut.session;
    expect(cut.bytes).toBe(whole.bytes);
    expect(several.memoryBytes).toBe(one.memoryBytes);
    const logits = async (session: typeof one) =>
      (await session.prefill(session.createCache(), { input: { ids: IDS }, rows: [4] })).logits;
    expect(await logits(several)).toEqual(await logits(one));
    expect(threads()).toEqual([]);
  });

  it('tells how far it is, to the end, and each tensor once', async () => {
    const seen: { done: number; total: number }[] = [];
    const { session, bytes } = await load({
      onProgress: (progress) => progress.phase === 'verify' && seen.push(progress),
    });
    await using _ = session;
    expect(seen.at(-1)).toMatchObject({ done: bytes, total: bytes });
    expect(seen.map(({ done }) => done)).toEqual(
      seen.map(({ done }) => done).toSorted((a, b) => a - b),
    );
  });

  it('a damaged tensor of a later part is named', async () => {
    const { block, tensor, path } = late();
    const bytes = await readFile(path);
    bytes[0]! ^= 1;
    await writeFile(path, bytes);
    try {
      await expect(load()).rejects.toMatchObject({
        code: 'CHUNK_CORRUPT',
        details: { chain: 'B', height: block.height, tensor: tensor.name, chunk: 0 },
      });
      await expect(
        loadHead(
          { verifier: network.verifier, model: pickModel(network.verifier) },
          { store: network.store, sources: [] },
          { ...CUT, layers: [0, 1] },
        ),
      ).rejects.toMatchObject({ code: 'CHUNK_CORRUPT' });
    } finally {
      bytes[0]! ^= 1;
      await writeFile(path, bytes);
    }
    expect(threads()).toEqual([]);
  });

  it('stops in the middle when it is told to', async () => {
    const stop = new AbortController();
    const reason = new Error('drained');
    const stopped = load({
      signal: stop.signal,
      onProgress: ({ phase, done, total }) =>
        phase === 'verify' && done > total / 2 && stop.abort(reason),
    });
    await expect(stopped).rejects.toBe(reason);
    expect(threads()).toEqual([]);
  });
});
