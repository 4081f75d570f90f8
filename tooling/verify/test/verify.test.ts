/** The command against a served node: exit codes, JSON, checkpoints kept, and one file without packages. */
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { verify } from '../src/verify.ts';
import { argumentsOf, caseOf, genesis, python, ROOT, run, serve, VECTORS } from './support.ts';

let dir: string;
let bundle: string;
beforeAll(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'blyan-verify-'));
  const tsx = `${ROOT}node_modules/tsx/dist/cli.mjs`;
  const built = await run(process.execPath, [tsx, `${ROOT}tooling/verify/scripts/bundle.ts`, dir]);
  bundle = built.out.trim();
});
afterAll(() => rm(dir, { recursive: true, force: true }));

async function here(args: string[]) {
  const [out, err] = [new PassThrough(), new PassThrough()];
  const code = await verify(args, { out, err });
  out.end();
  err.end();
  return { code, out: await text(out), err: await text(err) };
}

test('everything of a node, from one file in an empty folder', async () => {
  await using node = await serve();
  const ended = await run(process.execPath, [
    bundle,
    '--main',
    node.url,
    '--genesis',
    genesis,
    '--all',
  ]);
  expect(ended).toMatchObject({ code: 0, err: '' });
  expect(ended.out).toMatch(/^✓ linkage +A, 6 blocks/);
  expect(ended.out).toMatch(/✓ leaf +embed\.weight.* 2\.0 MiB in /);
  expect(ended.out).toMatch(/Everything holds: \d+ steps, 2\.0 MiB in .*, .*\/s\n$/);
});

test.each(['leaf-1', 'body-2', 'author-1', 'checkpoint-2', 'path-2'])(
  'tampered with (%s): exit code 1, and the step is named',
  async (name) => {
    const case_ = caseOf(name);
    await using node = await serve(case_.change);
    const args = ['--main', node.url, '--genesis', genesis, ...argumentsOf(case_)];
    const ended = await here(args);
    expect(ended.code).toBe(1);
    expect(ended.out).toContain(`Does NOT hold, at the step "${case_.fails?.step}"`);
    const { out } = await here([...args, '--json']);
    expect(JSON.parse(out)).toMatchObject({ ok: false, failed: { step: case_.fails?.step } });
  },
);

test('another genesis than the one that is trusted', async () => {
  await using node = await serve();
  const ended = await here(['--main', node.url, '--genesis', '0'.repeat(64), '--all']);
  expect(ended.code).toBe(1);
  expect(ended.out).toContain('step "genesis"');
});

test('a node that does not answer proves nothing: exit code 2', async () => {
  const args = ['--main', 'http://127.0.0.1:1', '--genesis', genesis];
  expect(await here([...args, '--all'])).toMatchObject({ code: 2 });
  expect(await here([...args, '--block', genesis])).toMatchObject({ code: 2 });
});

test.each([
  ['here', here, python],
  ['in Python', python, here],
])('checkpoints are kept, and hold the node to its history: %s', async (name, first, second) => {
  const file = path.join(dir, `kept-${name}.json`);
  const args = ['--genesis', genesis, '--keep', file, '--no-weights', '--all', '--json'];
  {
    await using node = await serve();
    expect((await first(['--main', node.url, ...args])).code).toBe(0);
    // One file for both.
    expect((await second(['--main', node.url, '--follow', ...args])).code).toBe(0);
  }
  const { checkpoints } = JSON.parse(await readFile(file, 'utf8'));
  expect(Object.keys(checkpoints).sort()).toEqual(['A', 'B', 'L']);
  // A longer chain that an authority signed, seen before, and now the node shows the shorter one.
  checkpoints.B = caseOf('history-2').kept?.B;
  await writeFile(file, JSON.stringify({ genesis, checkpoints }));
  await using node = await serve();
  const ended = await first(['--main', node.url, ...args]);
  expect(ended.code).toBe(1);
  expect(JSON.parse(ended.out).failed.step).toBe('history');
  await writeFile(file, '{"genesis":');
  expect((await first(['--main', node.url, ...args])).code).toBe(2);
});

test.each([
  [['--genesis', genesis, '--all'], /--main/],
  [['--main', 'x', '--genesis', genesis, '--all'], /no URL/],
  [['--main', 'http://x', '--genesis', 'ab', '--all'], /64 hex/],
  [['--main', 'http://x', '--genesis', genesis], /One of/],
  [['--main', 'http://x', '--genesis', genesis, '--all', '--model', 'm'], /One of/],
  [['--main', 'http://x', '--genesis', genesis, '--all', '--chunk', '1'], /--tensor/],
  [['--main', 'http://x', '--genesis', genesis, '--wrong'], /wrong/],
])('arguments %j are refused', async (args, message) => {
  expect(await here(args)).toMatchObject({ code: 2, err: expect.stringMatching(message) });
});

describe('the verifier in Python', () => {
  test('every vector of the specification', async () => {
    const { code, out } = await python(['--vectors', VECTORS, '--json']);
    const result = JSON.parse(out);
    expect(result.failures).toEqual([]);
    expect(result.cases).toBeGreaterThan(250);
    expect(code).toBe(0);
  });

  test.each([
    'chains',
    'tensor-proved',
    'chunk-middle',
    'model',
    'leaf-1',
    'signature-2',
    'author-3',
  ])('agrees over HTTP: %s', async (name) => {
    const case_ = caseOf(name);
    await using node = await serve(case_.change);
    const args = ['--main', node.url, '--genesis', genesis, ...argumentsOf(case_), '--json'];
    const [first, second] = await Promise.all([here(args), python(args)]);
    const failed = case_.fails ?? null;
    expect(first.code).toBe(failed ? 1 : 0);
    expect(second.code).toBe(first.code);
    const [a, b] = [JSON.parse(first.out), JSON.parse(second.out)];
    expect([a.failed?.step, b.failed?.step]).toEqual([failed?.step, failed?.step]);
    expect([a.ok, b.ok]).toEqual([!failed, !failed]);
  });
});
