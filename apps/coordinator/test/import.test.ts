import { createHash } from 'node:crypto';
import { cp, mkdir, mkdtemp, open, readdir, readFile, rm, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rootOfBytes } from '@blyan/chain/merkle';
import type {} from '@blyan/local/test-context';
import { decodeTensor } from '@blyan/model/formats/decode';
import { FORMATS, isQuantized } from '@blyan/model/formats/layout';
import { SMALL, type TestCheckpoint, writeCheckpoint } from '@blyan/model/testing';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { blob, type Network, openNetwork, startHub, verified } from './import-support.ts';

const GUIDE = fileURLToPath(new URL('../../../models/blyan-guide', import.meta.url));
const micro = (name: string) =>
  fileURLToPath(new URL(`../../../packages/model/fixtures/micro/${name}`, import.meta.url));
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

let network: Network;
let dir: string;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'checkpoints-'));
  network = await openNetwork(inject('databaseUrl'));
}, 60_000);
afterAll(async () => {
  await network[Symbol.asyncDispose]();
  await rm(dir, { recursive: true, force: true });
});

test('the embedded model: every block verifies, every tensor leads back to bytes of the source', async () => {
  const seen: number[] = [];
  const result = await network.importModel(GUIDE, {
    name: 'blyan-guide',
    onProgress: ({ doneBytes, totalBytes }) => seen.push(doneBytes / totalBytes),
  });
  expect(result).toMatchObject({ reused: false, parameters: 11_017_984, storedBytes: 22_035_968 });
  expect(seen.at(-1)).toBe(1);
  expect(seen).toEqual([...seen].sort((a, b) => a - b));

  const blocks = await verified(network);
  const model = blocks.find((block) => block.isType('model'));
  if (!model?.isType('model')) return expect.fail('no model block');
  expect(model.body.layers.map(({ group }) => group)).toEqual([
    'embedding',
    ...Array.from({ length: 12 }, (_, i) => `layer.${i}`),
    'norm',
  ]);
  const files = new Map<string, Uint8Array>();
  for (const name of await readdir(GUIDE)) files.set(name, await readFile(join(GUIDE, name)));
  for (const { path, sha256: hash } of model.body.source.files) {
    expect(hex(hash), path).toBe(sha256(files.get(path)!));
  }
  expect(model.body.files.map(({ path }) => path)).toEqual([
    'config.json',
    'generation_config.json',
    'tokenizer.json',
    'tokenizer_config.json',
    'chat_template.jinja',
  ]);
  for (const { path, root, byteLength } of model.body.files) {
    expect(Buffer.from(await blob(network, root, byteLength)).equals(files.get(path)!)).toBe(true);
  }
  const byHash = new Map([...files.values()].map((bytes) => [sha256(bytes), bytes]));
  for (const { block: hash } of model.body.layers) {
    const block = blocks.find((candidate) => hex(candidate.hash) === hex(hash));
    if (!block?.isType('layer')) return expect.fail('no layer block');
    for (const tensor of block.body.tensors) {
      const { source, root, byteLength, format } = tensor;
      const file = byHash.get(hex(source.file))!;
      const raw = file.subarray(source.offset, source.offset + source.length);
      expect(hex(rootOfBytes(raw))).toBe(hex(source.root));
      expect([format, hex(root)]).toEqual(['bf16', hex(source.root)]);
      expect((await network.store.stat(root))?.byteLength).toBe(byteLength);
    }
  }
}, 60_000);

test('the same again is found on chain, and nothing is added; another name uses the same layers', async () => {
  const before = await network.state();
  const again = await network.importModel(GUIDE, { name: 'blyan-guide' });
  expect(again.reused).toBe(true);
  expect(await network.state()).toEqual(before);
  const renamed = await network.importModel(GUIDE, { name: 'other' });
  expect(renamed.reused).toBe(false);
  expect(renamed.layerBlocks).toEqual(again.layerBlocks);
  expect((await network.state()).blocks.length).toBe(before.blocks.length + 1);
}, 60_000);

test.each([null, ...FORMATS])(
  'format %s: two imports on two machines give equal roots and bodies',
  async (format) => {
    await using one = await openNetwork(inject('databaseUrl'));
    await using two = await openNetwork(inject('databaseUrl'));
    for (const name of ['qwen3-micro', 'qwen3-micro-tied', 'qwen2-micro']) {
      await one.importModel(micro(name), { format, name });
      await two.importModel(micro(name), { format, name });
    }
    const bodies = await one.bodies();
    expect(bodies.length).toBe(3 + 6 + 5 + 5);
    expect(await two.bodies()).toEqual(bodies);
    const formats = new Set<string>();
    for (const block of await verified(one)) {
      if (!block.isType('layer')) continue;
      for (const tensor of block.body.tensors) {
        formats.add(`${tensor.shape.length}-D ${tensor.format}`);
        const values = decodeTensor(tensor, await blob(one, tensor.root, tensor.byteLength));
        expect(values.every(Number.isFinite)).toBe(true);
      }
    }
    const vectors = format && isQuantized(format) ? 'f32' : (format ?? 'f32');
    expect([...formats].sort()).toEqual([`1-D ${vectors}`, `2-D ${format ?? 'f32'}`].sort());
  },
  60_000,
);

test("a tokenizer of SentencePiece's BPE, as Llama 2 and Mistral 7B have it", async () => {
  const target = await writeCheckpoint(join(dir, 'spaces'), {
    editChat: ({ tokenizer }) => {
      const { vocab } = tokenizer!.model;
      vocab['\u2581'] = Object.keys(vocab).length;
      const space = { type: 'Replace', pattern: { String: '\u2581' }, content: ' ' };
      const strip = { type: 'Strip', content: ' ', start: 1, stop: 0 };
      Object.assign(tokenizer!.model, { byte_fallback: true });
      Object.assign(tokenizer!, {
        pre_tokenizer: { type: 'Metaspace', prepend_scheme: 'first', split: false },
        decoder: {
          type: 'Sequence',
          decoders: [space, { type: 'ByteFallback' }, { type: 'Fuse' }, strip],
        },
      });
    },
  });
  expect((await network.importModel(target, { name: 'spaces' })).reused).toBe(false);
}, 60_000);

describe('refused before anything is written', () => {
  const cases: [comment: string, code: string, options: TestCheckpoint][] = [
    [
      'a mixture of experts',
      'ARCHITECTURE_UNSUPPORTED',
      { config: { architectures: ['Qwen3MoeForCausalLM'], num_experts: 8 } },
    ],
    [
      'an unknown architecture',
      'ARCHITECTURE_UNSUPPORTED',
      { config: { architectures: ['GPTNeoXForCausalLM'], model_type: 'gpt_neox' } },
    ],
    [
      'an unknown rope type',
      'FEATURE_UNSUPPORTED',
      { config: { rope_scaling: { rope_type: 'longrope', factor: 4 } } },
    ],
    [
      'a sliding window that applies',
      'FEATURE_UNSUPPORTED',
      { config: { use_sliding_window: true, sliding_window: 8, max_window_layers: 0 } },
    ],
    ['a missing tensor', 'TENSOR_MISSING', { edit: (list) => list.slice(1) }],
    ['a wrong shape', 'TENSOR_SHAPE', { config: { vocab_size: 64 } }],
    [
      'an index that lies',
      'INDEX_MISMATCH',
      { shards: 2, editIndex: (index) => delete index.weight_map['lm_head.weight'] },
    ],
    ['no tokenizer.json', 'FILE_MISSING', { editChat: (chat) => delete chat.tokenizer }],
    ['a base model: no template', 'FILE_MISSING', { editChat: (chat) => delete chat.template }],
    [
      'a template that does not parse',
      'TEMPLATE_INVALID',
      {
        editChat: (chat) => {
          chat.template = '{% for message in messages %}';
        },
      },
    ],
    [
      'a token beyond the rows of the embedding',
      'TOKENIZER_INVALID',
      {
        editChat: ({ tokenizer }) => {
          tokenizer!.model.vocab.beyond = SMALL.vocab;
        },
      },
    ],
    [
      'an added token beyond the rows of the embedding',
      'TOKENIZER_INVALID',
      {
        editChat: ({ tokenizer }) => {
          const { added_tokens: added } = tokenizer!;
          added.push({ ...added[0]!, id: SMALL.vocab, content: '<beyond>' });
        },
      },
    ],
  ];
  test.each(cases)('%s', async (comment, code, options) => {
    const before = await network.state();
    const target = await writeCheckpoint(join(dir, comment), options);
    await expect(network.importModel(target)).rejects.toMatchObject({ code });
    expect(await network.state()).toEqual(before);
    expect(await readdir(network.deps.journalDir).catch(() => [])).toEqual([]);
  });

  test('a truncated file, by the command: one sentence and exit code 1', async () => {
    const before = await network.state();
    const target = await writeCheckpoint(join(dir, 'short'));
    await using file = await open(join(target, 'model.safetensors'), 'r+');
    await file.truncate(50_000);
    const { code, output } = await network.command([target]).ended;
    expect(code).toBe(1);
    expect(output).toMatch(/^\nmodel\.safetensors: the file has 50000 bytes, its header describes/);
    expect(await network.state()).toEqual(before);
  }, 30_000);
});

test('NaN or infinity in the weights, or a file that is not the published one: no block is written', async () => {
  const before = (await network.state()).blocks;
  const target = await writeCheckpoint(join(dir, 'nan'));
  const path = join(target, 'model.safetensors');
  const published = new Map([['model.safetensors', 'ab'.repeat(32)]]);
  const source = { repository: 'a/b', revision: 'c', sha256: published };
  await expect(network.importModel(target, { source })).rejects.toMatchObject({
    code: 'SOURCE_CHANGED',
  });
  // bf16, low byte first: NaN, then both infinities.
  for (const value of [0x7fc0, 0x7f80, 0xff80]) {
    await poke(path, Uint8Array.of(value & 0xff, value >> 8));
    await expect(network.importModel(target)).rejects.toMatchObject({
      code: 'VALUE_NOT_FINITE',
      details: { tensor: 'lm_head.weight' },
    });
  }
  expect((await network.state()).blocks).toEqual(before);
});

/** Overwrites the last bytes of a file and puts its times back: size and mtime prove nothing. */
async function poke(path: string, bytes: Uint8Array): Promise<void> {
  await using file = await open(path, 'r+');
  const { size, atime, mtime } = await file.stat();
  await file.write(bytes, 0, bytes.length, size - bytes.length);
  await utimes(path, atime, mtime);
}

describe('an import that was interrupted', () => {
  const interrupted = async (of: Network, target: string) => {
    const stop = new AbortController();
    const running = of.importModel(target, {
      format: 'q4',
      signal: stop.signal,
      onProgress: ({ phase }) => phase === 'files' && stop.abort(),
    });
    await expect(running).rejects.toThrow(/abort/i);
  };

  test('uses what was finished, and hashes the source anew', async () => {
    await using one = await openNetwork(inject('databaseUrl'));
    await using fresh = await openNetwork(inject('databaseUrl'));
    const target = await writeCheckpoint(join(dir, 'resumed'), { seed: 7 });
    await interrupted(one, target);
    const [journal] = await readdir(one.deps.journalDir);
    const lines = (await readFile(join(one.deps.journalDir, journal!), 'utf8')).trim().split('\n');
    expect(lines.length).toBe(25);

    // Another weight in a file of equal size and times: its tensor must be encoded again.
    await poke(join(target, 'model.safetensors'), Uint8Array.of(0x80, 0x3f));
    // A torn line, a line with a wrong sum, and a blob that is gone.
    await using file = await open(join(one.deps.journalDir, journal!), 'a');
    await file.write(
      `${lines[0]!.replace('"byteLength":', '"byteLength":1')}\n${lines[1]!.slice(0, 40)}`,
    );
    const { root } = JSON.parse(lines[3]!.slice(17));
    await rm(join(one.store.dir, root.slice(0, 2), root));

    await one.importModel(target, { format: 'q4' });
    await fresh.importModel(target, { format: 'q4' });
    expect(await one.bodies()).toEqual(await fresh.bodies());
    expect(await one.store.has(root)).toBe(true);
    expect(await readdir(one.deps.journalDir)).toEqual([]);
  }, 60_000);

  test('kill -9 at any moment: the next run finishes with the same roots', async () => {
    await using killed = await openNetwork(inject('databaseUrl'));
    await using whole = await openNetwork(inject('databaseUrl'));
    const shape = { ...SMALL, layers: 12, hidden: 512, intermediate: 2048, vocab: 4096 };
    const target = await writeCheckpoint(join(dir, 'killed'), { shape, shards: 3, seed: 3 });
    const args = [target, '--format', 'q4', '--name', 'test'];
    const imported = whole.importModel(target, { format: 'q4' });
    let halfway = 0;
    for (let run = 0; run < 6; run++) {
      const { child, ended, output } = killed.command(args);
      await new Promise<void>((resolve) => {
        const look = () => output().includes('import') && resolve();
        child.stdout.on('data', look);
        child.once('close', () => resolve());
      });
      await new Promise((resolve) => setTimeout(resolve, 40 + Math.random() * 60 * run));
      child.kill('SIGKILL');
      await ended;
      const [journal] = await readdir(killed.deps.journalDir);
      if (journal !== undefined) halfway++;
    }
    expect(halfway).toBeGreaterThan(0);
    const { code, output } = await killed.command(args).ended;
    expect(output).toMatch(/test is (already )?on chain: model block A\/1 [0-9a-f]{64}/);
    expect(code).toBe(0);
    await imported;
    expect(await killed.bodies()).toEqual(await whole.bodies());
    expect((await verified(killed)).length).toBeGreaterThan(14);
  }, 120_000);
});

test('memory stays under twice the largest tensor plus 200 MB, far under it in fact', async () => {
  const shape = { ...SMALL, layers: 1, hidden: 2048, vocab: 51_200, tied: true };
  const target = await writeCheckpoint(join(dir, 'large'), { shape });
  const largest = shape.hidden * shape.vocab * 2;
  expect(largest).toBe(200 * 2 ** 20);
  const report =
    'process.on("exit",()=>process.stderr.write("maxRSS "+process.resourceUsage().maxRSS))';
  const preload = ['--import', `data:text/javascript,${encodeURIComponent(report)}`];
  for (const format of ['q4', 'bf16']) {
    const { code, output } = await network.command([target, '--format', format], preload).ended;
    expect(code, output).toBe(0);
    const peak = Number(/maxRSS (\d+)/.exec(output)![1]) * 1024;
    console.info(`${format}: peak ${(peak / 1e6).toFixed(0)} MB`);
    expect(peak).toBeLessThan(2 * largest + 200e6);
    // What the design promises itself: nothing grows with the tensor but its scales.
    expect(peak).toBeLessThan(400e6);
  }
  await rm(target, { recursive: true });
}, 120_000);

test('a checkpoint under a directory that is written by somebody else is only read', async () => {
  const target = join(dir, 'copy');
  await mkdir(target);
  await cp(micro('qwen3-micro'), target, { recursive: true });
  const before = await readdir(target);
  await network.importModel(target, { name: 'copy' });
  expect(await readdir(target)).toEqual(before);
});

describe('from a hub, by the command', () => {
  const ID = 'org/some-model';
  const commit = 'c'.repeat(40);

  test("HF_ENDPOINT and HF_TOKEN are the environment's; the block names repository and commit", async () => {
    const source = await writeCheckpoint(join(dir, 'published'), { seed: 11 });
    await using hub = await startHub({ id: ID, commit, token: 'hf_right', dir: source });
    const import_ = (token: string) =>
      network.command([ID], [], { HF_ENDPOINT: hub.endpoint, HF_TOKEN: token }).ended;
    const before = await network.state();

    const refused = await import_('hf_wrong');
    expect(refused.code).toBe(1);
    expect(refused.output).toContain(ID);
    expect(refused.output).toContain('HF_TOKEN');
    expect(refused.output).not.toMatch(/hf_wrong|^ {4}at /m);
    expect(await network.state()).toEqual(before);

    const { code, output } = await import_('hf_right');
    expect(output).toContain('some-model is on chain: model block A/');
    expect(code).toBe(0);
    const imported = (await verified(network)).filter((block) => block.isType('model')).at(-1);
    expect(imported?.body).toMatchObject({
      name: 'some-model',
      source: { repository: ID, revision: commit },
    });
  }, 60_000);
});
