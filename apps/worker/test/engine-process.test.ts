/** The engine as a process: from a pinned genesis and a main node over HTTP to tokens, or to a reason. */
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { toHex } from '@blyan/chain/hex';
import { parseConfig } from '@blyan/model/config';
import type { NodeJob } from '@blyan/protocol/node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { CAPACITY_STEP, kvBytesPerPosition } from '../src/engine/kv-cache.ts';
import { loadCommand, startEngine } from './support/engine.ts';
import { type MainNode, serveMainNode } from './support/main-node.ts';
import { GREEDY, micro, readJson } from './support/models.ts';
import { createNetwork, type Network } from './support/network.ts';

let network: Network;
let main: MainNode;
let reference: { cases: { input_ids: number[]; greedy_24: number[] }[] };
let dirs = 0;
const freshDir = () => join(network.dir, `worker-${dirs++}`);

beforeAll(async () => {
  reference = await readJson(join(micro('qwen3-micro'), 'reference.json'));
  network = await createNetwork();
  await network.import(micro('qwen3-micro-tied'), 'tied');
  await network.import(micro('qwen3-micro'), 'untied');
  main = await serveMainNode(network);
});
afterAll(async () => {
  await main?.[Symbol.asyncDispose]();
  await network?.[Symbol.asyncDispose]();
});

const modelHash = (name: string) => {
  const block = network.verifier
    .blocks('A')
    .find((candidate) => candidate.isType('model') && candidate.body.name === name);
  return toHex(block!.hash);
};

const job = (overrides: Partial<NodeJob> = {}): NodeJob => ({
  requestId: 'request-0000000000000001',
  attempt: 1,
  model: modelHash('untied'),
  prompt: reference.cases[0]!.input_ids,
  emitted: [],
  params: { ...GREEDY, maxTokens: 24 },
  stopTokens: [],
  remainingMs: 60_000,
  ...overrides,
});

async function failure(dir: string, overrides = {}, mainUrl = main.url) {
  await using engine = startEngine();
  engine.client.load(loadCommand(network, mainUrl, dir, overrides));
  const end = await engine.until((m) => m.type === 'failed' || m.type === 'ready');
  return end.type === 'failed' ? end : null;
}

describe('a first start', () => {
  it('syncs, fetches, verifies, builds, serves and drains', async () => {
    await using engine = startEngine();
    engine.client.submit(job());
    engine.client.load(loadCommand(network, main.url, freshDir()));
    const ready = await engine.until((m) => m.type === 'ready' || m.type === 'failed');
    expect(ready).toMatchObject({
      type: 'ready',
      ready: { model: modelHash('untied'), name: 'untied', layers: [0, 2], context: 512, slots: 2 },
    });
    expect(engine.events()).toMatchObject([{ type: 'fail', code: 'ENGINE_LOADING', retry: true }]);
    const phases = engine.messages.flatMap((m) =>
      m.type === 'progress' ? [m.progress.phase] : [],
    );
    expect([...new Set(phases)]).toEqual(['sync', 'fetch', 'verify', 'build']);

    engine.client.submit(job({ attempt: 2 }));
    await engine.client.drain();
    const tokens = engine.events().flatMap((e) => (e.type === 'tokens' ? e.tokens : []));
    expect(tokens).toEqual(reference.cases[0]!.greedy_24);
    expect(engine.events().at(-1)).toMatchObject({ type: 'done', attempt: 2, count: 24 });
    await engine.client.close();
    expect(await engine.exit).toMatchObject({ code: 0, expected: true });
  });

  it('takes a model by name or hash, and refuses what is not there', async () => {
    await using engine = startEngine();
    engine.client.load(loadCommand(network, main.url, freshDir(), { model: 'tied' }));
    const ready = await engine.until((m) => m.type === 'ready' || m.type === 'failed');
    expect(ready).toMatchObject({ ready: { model: modelHash('tied') } });
    expect(await failure(freshDir(), { model: 'nobody' })).toMatchObject({ code: 'MODEL_NONE' });
  });
});

describe('a damaged disk', () => {
  /** A worker directory with all blobs and one flipped bit. */
  async function damaged() {
    const dir = freshDir();
    expect(await failure(dir)).toBeNull();
    const block = network.verifier.blocks('B').at(-1)!;
    const tensor = block.isType('layer') ? block.body.tensors[0]! : null;
    const root = toHex(tensor!.root);
    await using file = await open(join(dir, 'blobs', root.slice(0, 2), root), 'r+');
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, 1000);
    byte[0]! ^= 1;
    await file.write(byte, 0, 1, 1000);
    return { dir, tensor: tensor!.name, height: block.height };
  }

  it('heals from a source, and says so', async () => {
    const { dir, tensor } = await damaged();
    await using engine = startEngine();
    engine.client.load(loadCommand(network, main.url, dir));
    const notice = await engine.until((m) => m.type === 'notice' || m.type === 'failed');
    expect(notice).toMatchObject({ type: 'notice' });
    expect(JSON.stringify(notice)).toContain(tensor);
    await engine.until((m) => m.type === 'ready');
  });

  it('is refused without one, naming chain, height, tensor and chunk', async () => {
    const { dir, tensor, height } = await damaged();
    // A main node that has the chains but not the blobs.
    await using other = await createNetwork();
    await using elsewhere = await serveMainNode({ ...network, store: other.store });
    const failed = await failure(dir, {}, elsewhere.url);
    await other[Symbol.asyncDispose]();
    expect(failed).toMatchObject({ code: 'CHUNK_CORRUPT' });
    expect(failed!.message).toContain(tensor);
    expect(failed!.message).toMatch(new RegExp(`block ${height} on chain B.*chunk 0`));
  });
});

describe('a dishonest main node', () => {
  it('cannot change a block', async () => {
    const flip = (hex: string) => (hex[0] === '0' ? '1' : '0') + hex.slice(1);
    main.tamper = (block) =>
      block.chain === 'B' && block.height === 2
        ? { ...block, signature: flip(block.signature) }
        : block;
    const failed = await failure(freshDir());
    main.tamper = null;
    expect(failed).toMatchObject({ code: 'SIGNATURE_INVALID' });
  });

  it('cannot show another network', async () => {
    await using other = await createNetwork();
    await using impostor = await serveMainNode(other);
    expect(await failure(freshDir(), {}, impostor.url)).toMatchObject({ code: 'GENESIS_MISMATCH' });
  });

  it('cannot roll a chain back', async () => {
    const dir = freshDir();
    expect(await failure(dir)).toBeNull();
    main.hideFrom = { A: network.verifier.size('A') - 1 };
    const failed = await failure(dir);
    main.hideFrom = {};
    expect(failed).toMatchObject({ code: 'CHECKPOINT_ROLLBACK' });
    expect(await failure(dir)).toBeNull();
  });
});

describe('the process', () => {
  it('serves nothing from a retired model', async () => {
    await using own = await createNetwork();
    await own.import(micro('qwen3-micro'), 'only');
    const model = own.verifier.head('A')!.hash;
    own.append('A', 'retire', { model, reason: 'test' });
    await using node = await serveMainNode(own);
    await using engine = startEngine();
    engine.client.load(loadCommand(own, node.url, join(own.dir, 'worker')));
    const end = await engine.until((m) => m.type === 'failed' || m.type === 'ready');
    expect(end).toMatchObject({ type: 'failed', code: 'MODEL_RETIRED' });
  });

  it('ends every answer, or refuses it, with memory for one of many', async () => {
    await using engine = startEngine();
    const config = parseConfig(await readJson(join(micro('qwen3-micro'), 'config.json')));
    const kvBytes = CAPACITY_STEP * kvBytesPerPosition(config, config.layers, 'f32');
    const limits = { slots: 9, kvBytes };
    engine.client.load(loadCommand(network, main.url, freshDir(), limits));
    await engine.until((m) => m.type === 'ready');
    const ids = Array.from({ length: 12 }, (_, i) => `request-${String(i).padStart(16, '0')}`);
    const prompt = Array.from({ length: 90 }, (_, i) => (i * 7) % 512);
    for (const [i, requestId] of ids.entries()) {
      // Each third one could never fit.
      const params = { ...GREEDY, maxTokens: i % 3 === 2 ? 400 : 150 };
      engine.client.submit(job({ requestId, prompt: [i, ...prompt], params }));
    }
    await engine.client.drain();
    const ends = ids.map((id) => {
      const events = engine.events().filter((e) => e.requestId === id);
      const end = events.at(-1);
      expect(events.filter((e) => e.type === 'done' || e.type === 'fail')).toEqual([end]);
      return end?.type === 'fail' ? end.code : end?.type;
    });
    const small = 'KV_MEMORY_TOO_SMALL';
    const three = ['done', 'done', small];
    expect(ends).toEqual([...three, ...three, ...three, ...three]);
    await engine.client.close();
    expect(await engine.exit).toMatchObject({ code: 0, expected: true });
  });

  it('ends when its parent lets go, in the middle of an answer too', async () => {
    const engine = startEngine();
    engine.client.load(loadCommand(network, main.url, freshDir()));
    await engine.until((m) => m.type === 'ready');
    engine.client.submit(job({ params: { ...GREEDY, maxTokens: 480 } }));
    await engine.until((m) => m.type === 'event' && m.event.type === 'tokens');
    const start = performance.now();
    await engine.client.close();
    expect(performance.now() - start).toBeLessThan(3000);
    expect(await engine.exit).toMatchObject({ code: 0, expected: true });
    expect(() => engine.client.submit(job())).toThrow(/ended/);
  });
});
