import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseConfig } from '../src/config.ts';
import { FORMATS } from '../src/formats/layout.ts';
import { kvBytesPerPosition, planMemory, RESERVE_BYTES } from '../src/plan/memory.ts';
import { planTable } from '../src/plan/table.ts';
import { qwen3Config, SMALL } from '../src/testing.ts';

const root = join(import.meta.dirname, '../../..');
const read = async (path: string) => await readFile(join(root, path), 'utf8');
const qwen3 = async () =>
  parseConfig(JSON.parse(await read('packages/model/fixtures/configs/qwen3-8b/config.json')));
const plan = async (memoryBytes = 16e9) =>
  planMemory(await qwen3(), { formats: FORMATS, memoryBytes });
const weights = async (format: string) =>
  (await plan()).formats.find((entry) => entry.format === format)!;

// Of Qwen3-8B, by hand: matrices of the 36 layers, embedding or head, norms.
const LAYERS = 36 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 12288);
const TABLE = 151936 * 4096;
const NORMS = 36 * (2 * 4096 + 2 * 128) + 4096;

describe('the memory plan of Qwen3-8B', () => {
  test('has the published number of parameters', async () => {
    expect((await plan()).parameters).toBe(8_190_735_360);
    expect(LAYERS + 2 * TABLE + NORMS).toBe(8_190_735_360);
  });

  test('bf16 is 2 bytes each on chain and on a GPU, f32 on a CPU but for the gathered embedding', async () => {
    expect(await weights('bf16')).toEqual({
      format: 'bf16',
      chainBytes: 2 * (LAYERS + 2 * TABLE + NORMS),
      cpuBytes: 4 * (LAYERS + TABLE + NORMS) + 2 * TABLE,
      gpuBytes: 2 * (LAYERS + TABLE + NORMS),
    });
  });

  test('q4 is 4 bits each and one scale for 128, norms in 16 bits', async () => {
    expect(await weights('q4')).toEqual({
      format: 'q4',
      chainBytes: (LAYERS + 2 * TABLE) * (0.5 + 2 / 128) + 2 * NORMS,
      cpuBytes: (LAYERS + TABLE) * (0.5 + 4 / 128) + 4 * NORMS + TABLE * (0.5 + 2 / 128),
      gpuBytes: (LAYERS + TABLE) * (0.5 + 2 / 128) + 2 * NORMS,
    });
  });

  test('K and V of a position', async () => {
    const config = await qwen3();
    expect(kvBytesPerPosition(config, 'f32')).toBe(2 * 36 * 8 * 128 * 4);
    expect(kvBytesPerPosition(config, 'f16')).toBe(2 * 36 * 8 * 128 * 2);
    expect(kvBytesPerPosition(config, 'int8')).toBe(2 * 36 * 8 * (128 + 4));
  });

  test('what fits is what stays within the memory, and the longest context is the last that does', async () => {
    const config = await qwen3();
    for (const memoryBytes of [4e9, 10e9, 16e9, 24e9, 48e9]) {
      const { formats, fits } = planMemory(config, { formats: FORMATS, memoryBytes });
      for (const { format, kv, totals, longest } of fits) {
        const { gpuBytes } = formats.find((entry) => entry.format === format)!;
        const total = (context: number) =>
          gpuBytes + context * kvBytesPerPosition(config, kv) + RESERVE_BYTES;
        for (const { context, bytes, fits: fit } of totals) {
          expect(bytes).toBe(total(context));
          expect(fit).toBe(context <= longest);
        }
        if (longest > 0) expect(total(longest)).toBeLessThanOrEqual(memoryBytes);
        if (longest < config.context) expect(total(longest + 1)).toBeGreaterThan(memoryBytes);
      }
    }
  });

  test('docs/memory.md has every line of the table', async () => {
    const lines = (await read('docs/memory.md')).split('\n');
    for (const line of planTable(await plan()).split('\n')) expect(lines).toContain(line);
  });
});

test('a tied embedding is on the GPU once, as the head', () => {
  const config = (tied: boolean) => parseConfig(qwen3Config({ ...SMALL, tied }));
  const options = { formats: ['f32'], memoryBytes: 1e9 } as const;
  const [tied, untied] = [true, false].map((t) => planMemory(config(t), options).formats[0]!);
  const table = SMALL.vocab * SMALL.hidden * 4;
  expect(tied!.gpuBytes).toBe(untied!.gpuBytes);
  expect(tied!.cpuBytes).toBe(untied!.cpuBytes);
  expect(tied!.chainBytes).toBe(untied!.chainBytes - table);
});

test('a context below those that are planned for is the only one', () => {
  const config = parseConfig(qwen3Config(SMALL));
  const { kv } = planMemory(config, { formats: ['q8'], memoryBytes: 1e9 });
  expect(kv.map(({ context }) => context)).toEqual([256]);
});
