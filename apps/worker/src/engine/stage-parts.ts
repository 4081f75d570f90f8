/** The runtime's sessions that make up a stage, created one after the other. */
import { type KvType, newKey, newValue } from '@blyan/model/stage/attention-io';
import type { StageGraph } from '@blyan/model/stage/graph';
import { layerRange, type StageSpec } from '@blyan/model/stage/plan';
import { InferenceSession } from 'onnxruntime-node';

export interface StageSessionOptions {
  /** Threads inside one operator. */
  threads: number;
  /** Extra outputs to fetch at each run, e.g. `hidden.3`, for parity tests. */
  fetch?: string[];
}

/** A session of the runtime over some of the stage's layers. */
export interface Part {
  session: InferenceSession;
  spec: StageSpec;
  /** Numbers of its layers, and where they begin in a cache of the stage. */
  layers: number[];
  first: number;
  fetches: string[];
}

/** What the parts of a stage were built with, for the numerics profile. */
export interface StageNumerics {
  transforms: string[];
  matmul: string;
  kv: KvType;
}

export interface BuiltParts {
  parts: Part[];
  embedding: StageGraph['embedding'];
  slots: number;
  numerics: StageNumerics;
  createMs: number;
  memoryBytes: number;
}

export async function createParts(
  spec: StageSpec,
  graphs: AsyncIterable<StageGraph>,
  { threads, fetch = [] }: StageSessionOptions,
): Promise<BuiltParts> {
  const parts: Part[] = [];
  const transforms = new Set<string>();
  const matmul = new Set<string>();
  let embedding: StageGraph['embedding'] = null;
  let common: Pick<StageGraph, 'slots' | 'kv'> = { slots: 1, kv: 'f32' };
  let createMs = 0;
  let memoryBytes = 0;
  for await (const graph of graphs) {
    const start = performance.now();
    const session = await InferenceSession.create(graph.model, {
      externalData: graph.externalData,
      executionProviders: ['cpu'],
      executionMode: 'sequential',
      graphOptimizationLevel: 'all',
      // The past is longer at each step: plans by shape would be made once and never used again.
      enableMemPattern: false,
      // An arena keeps the peak of the longest prefill for good, and saved no time here.
      enableCpuMemArena: false,
      intraOpNumThreads: threads,
      interOpNumThreads: 1,
      // Threads that go on spinning behind a run take a core from the next part's, and from everybody else.
      extra: { session: { force_spinning_stop: '1' } },
      logSeverityLevel: 3,
    });
    createMs += performance.now() - start;
    for (const { data } of graph.externalData) memoryBytes += data.byteLength;
    memoryBytes += graph.embedding?.byteLength ?? 0;
    const layers = layerRange(graph.spec);
    const extra = fetch.filter((name) => session.outputNames.includes(name));
    parts.push({
      session,
      spec: graph.spec,
      layers,
      first: graph.spec.layers[0] - spec.layers[0],
      fetches: [
        graph.spec.head ? 'logits' : 'hidden_out',
        ...layers.flatMap((layer) => [newKey(layer), newValue(layer)]),
        ...extra,
      ],
    });
    embedding ??= graph.embedding;
    common = graph;
    for (const transform of graph.transforms) transforms.add(transform);
    matmul.add(graph.matmul);
  }
  const [kind = 'f32', ...others] = matmul;
  return {
    parts,
    embedding,
    slots: common.slots,
    numerics: {
      transforms: [...transforms].sort(),
      matmul: others.length > 0 ? 'mixed' : kind,
      kv: common.kv,
    },
    createMs,
    memoryBytes,
  };
}
