/** The graph of a deep model: what is not shown is counted, and can be reached. */
import type { ModelDetails } from '@blyan/protocol/explorer';
import { expect, test } from 'vitest';
import { lineageGraph } from '../src/components/lineage/graph.ts';
import type { LineageData } from '../src/server/explorer/lineage.ts';

const HASH = 'ab'.repeat(32);
const LAYERS = 100;
const model: ModelDetails = {
  hash: HASH,
  height: 1,
  name: 'deep',
  family: 'qwen3',
  parameters: 1,
  recipe: 'raw/1',
  layers: LAYERS,
  retired: null,
  bytes: 1,
  tensors: LAYERS,
  parts: [],
  groups: Array.from({ length: LAYERS }, (_, i) => ({
    group: `layer.${i}`,
    block: HASH,
    height: i,
    tensors: 1,
    parameters: 1,
    bytes: 1,
    formats: ['bf16'],
  })),
};

const layersOf = (group: string | null, layersFrom?: number) => {
  const from = layersFrom === undefined ? {} : { layersFrom };
  const data: LineageData = {
    answer: null,
    model,
    group,
    tensors: [],
    tensor: null,
    chunk: null,
    from,
  };
  return lineageGraph(data).nodes.filter(({ kind }) => kind === 'layer');
};
const titles = (nodes: ReturnType<typeof layersOf>) => nodes.map(({ title }) => title);

test('siblings around the chosen one, and how many are above and below', () => {
  const nodes = layersOf('layer.50');
  expect(titles(nodes)).toEqual([
    '46 more above',
    ...Array.from({ length: 9 }, (_, i) => `layer.${46 + i}`),
    '45 more below',
  ]);
  expect(nodes.filter(({ chosen }) => chosen).map(({ title }) => title)).toEqual(['layer.50']);
});

test('every layer is reached from one list to the next', () => {
  const seen = new Set<string>();
  let from = 0;
  for (;;) {
    const nodes = layersOf(null, from);
    for (const { title, more } of nodes) if (!more) seen.add(title);
    const below = nodes.find(({ title }) => title.endsWith('more below'));
    if (!below) break;
    const next = Number(new URL(below.href!, 'http://localhost').searchParams.get('layersFrom'));
    expect(next).toBeGreaterThan(from);
    from = next;
  }
  expect(seen.size).toBe(LAYERS);
});

test('the chosen one stays where other siblings are looked at', () => {
  const nodes = titles(layersOf('layer.0', 50));
  expect(nodes.slice(0, 3)).toEqual(['49 more above', 'layer.0', 'layer.50']);
});
