/** From verified blocks to a stage graph: pick the model, fetch what is missing, verify, build. */
import { toHex } from '@blyan/chain/hex';
import { resolveModel } from '@blyan/chain/model';
import type { ChainVerifier, VerifiedBlock } from '@blyan/chain/verify';
import { type ModelFiles, readModelFiles } from '@blyan/model/files';
import type { StageOptions } from '@blyan/model/stage/graph';
import {
  headOnly,
  layerRange,
  type StageSpec,
  splitStage,
  stageGroups,
  wholeModel,
} from '@blyan/model/stage/plan';
import type { LoadProgress } from '@blyan/protocol/node';
import type { BlobStore } from '@blyan/store/blob-store';
import { StoreError } from '@blyan/store/errors';
import { type BlobSource, fetchBlob } from '@blyan/store/fetch';
import { type Healed, loadFile } from '@blyan/store/load';
import type { PoolOptions } from '@blyan/store/source-pool';
import { TailSession } from '../pipeline/tail-session.ts';
import { buildParts } from './build-parts.ts';
import { makeRoom } from './disk-cap.ts';
import { EngineError } from './errors.ts';
import type { StageSessionOptions } from './stage-parts.ts';
import { StageSession } from './stage-session.ts';

/**
 * @param wanted hash (hex) or name of a model block; absent for the newest one
 * @throws EngineError MODEL_NONE, MODEL_RETIRED
 */
export function pickModel(verifier: ChainVerifier, wanted?: string): VerifiedBlock<'model'> {
  const blocks = verifier.blocks('A');
  const retired = new Map<string, string>();
  for (const block of blocks) {
    if (block.isType('retire')) retired.set(toHex(block.body.model), block.body.reason);
  }
  let refused: EngineError | null = null;
  for (const block of [...blocks].reverse()) {
    if (!block.isType('model')) continue;
    const hash = toHex(block.hash);
    if (wanted !== undefined && wanted !== hash && wanted !== block.body.name) continue;
    const reason = retired.get(hash);
    if (reason === undefined) return block;
    refused ??= new EngineError('MODEL_RETIRED', { model: hash, name: block.body.name, reason });
  }
  const text =
    wanted === undefined ? 'Chain A holds no model yet.' : `Chain A holds no model "${wanted}".`;
  throw refused ?? new EngineError('MODEL_NONE', { wanted, height: blocks.length - 1 }, text);
}

export interface LoadDeps {
  store: BlobStore;
  sources: BlobSource[];
  /** Most that all blobs may take on disk; absent or 0: no bound. */
  diskBytes?: number;
  signal?: AbortSignal;
  onProgress?(progress: LoadProgress): void;
  onHealed?(healed: Healed): void;
  onWrong?: PoolOptions['onWrong'];
}

export interface LoadedStage {
  files: ModelFiles;
  session: StageSession;
  /** Stored bytes of the stage's tensors. */
  bytes: number;
  /** Of those that a decode step goes through. */
  stepBytes: number;
}

interface BuildOptions extends StageOptions, StageSessionOptions {
  /** Bytes of the smallest part that a stage is cut into. */
  partBytes?: number;
}

export interface LoadOptions extends BuildOptions {
  /** Which part of the model; the whole by default. */
  spec?: (files: ModelFiles) => StageSpec;
}

/**
 * Fetches what is missing, then part by part verifies the tensors and builds a session over them.
 * @throws ChainError, StoreError, ModelError, naming chain, height, tensor and chunk
 */
export async function loadStage(
  from: { verifier: ChainVerifier; model: VerifiedBlock<'model'> },
  deps: LoadDeps,
  options: LoadOptions,
): Promise<LoadedStage> {
  const { files, spec, blocks, bytes, order } = await fetchStage(from, deps, options);
  const session = await StageSession.create(
    spec,
    buildParts(order, blocks, deps, options),
    options,
  );
  return { files, session, bytes: sum([...bytes.values()]), stepBytes: stepBytes(spec, bytes) };
}

/** All blobs of a stage here, and in which parts it is to be built. @throws as loadStage */
export async function fetchStage(
  from: { verifier: ChainVerifier; model: VerifiedBlock<'model'> },
  deps: LoadDeps,
  options: LoadOptions,
) {
  const files = await loadFiles(from.model, deps);
  const spec = options.spec?.(files) ?? wholeModel(files.config);
  const { blocks, bytes } = await fetchGroups(stageGroups(spec), from, deps);
  const [last, ...others] = parts(spec, bytes, options);
  // The one with the head is the largest: loaded early, when little else is there, but not first, so that
  // it is read while a smaller one is built.
  const order = others.length > 0 ? [others[0]!, last!, ...others.slice(1)] : [last!];
  return { files, spec, blocks, bytes, order };
}

export interface LoadedHead {
  files: ModelFiles;
  /** Embedding and the first layers. */
  front: StageSession;
  /** Final norm and output head. */
  tail: TailSession;
  /** Stored bytes of the tensors that a decode step of `front` goes through. */
  stepBytes: number;
}

/** Both ends of a model for the head of a pipeline; @throws as loadStage */
export async function loadHead(
  from: { verifier: ChainVerifier; model: VerifiedBlock<'model'> },
  deps: LoadDeps,
  options: BuildOptions & { layers: [first: number, last: number] },
): Promise<LoadedHead> {
  const files = await loadFiles(from.model, deps);
  const spec = { config: files.config, layers: options.layers, embed: true, head: false };
  const end = headOnly(files.config);
  const groups = [...stageGroups(spec), ...stageGroups(end)];
  const { blocks, bytes } = await fetchGroups(groups, from, deps);
  const graphs = buildParts([end, ...parts(spec, bytes, options)], blocks, deps, options);
  let tail: TailSession | null = null;
  try {
    const first = await graphs.next();
    if (first.done) throw new RangeError('a head without parts');
    tail = await TailSession.create(first.value, options);
    const front = await StageSession.create(spec, graphs, options);
    return { files, front, tail, stepBytes: stepBytes(spec, bytes) };
  } catch (error) {
    await graphs.return(undefined);
    await tail?.[Symbol.asyncDispose]();
    throw error;
  }
}

/** Of the embedding a step reads one row. */
function stepBytes(spec: StageSpec, bytes: ReadonlyMap<string, number>): number {
  const layers = sum(layerRange(spec).map((layer) => bytes.get(`layer.${layer}`) ?? 0));
  return layers + (spec.head ? (bytes.get(spec.config.tied ? 'embedding' : 'head') ?? 0) : 0);
}

/** The blocks of some groups of a model, with all their blobs here; and their stored bytes by group. */
async function fetchGroups(
  wanted: readonly string[],
  { verifier, model }: { verifier: ChainVerifier; model: VerifiedBlock<'model'> },
  deps: LoadDeps,
) {
  const groups = new Set(wanted);
  const blocks = resolveModel(model, verifier).filter((block) => groups.has(block.body.group));
  await makeRoom(blocks, deps.store, deps.diskBytes ?? 0);
  await fetchMissing(blocks, deps);
  const bytesOf = (block: VerifiedBlock<'layer'>) =>
    sum(block.body.tensors.map((tensor) => tensor.byteLength));
  return { blocks, bytes: new Map(blocks.map((block) => [block.body.group, bytesOf(block)])) };
}

/** The parts of a stage, from its end. */
const parts = (spec: StageSpec, bytes: ReadonlyMap<string, number>, { partBytes }: BuildOptions) =>
  splitStage(spec, (group) => bytes.get(group) ?? 0, partBytes).reverse();

async function loadFiles(
  model: VerifiedBlock<'model'>,
  { onProgress: _, ...blobs }: LoadDeps,
): Promise<ModelFiles> {
  const files = new Map<string, Uint8Array>();
  for (const file of model.body.files) files.set(file.path, await loadFile(file, blobs));
  return readModelFiles(files);
}

/** Brings every blob that is not here into the store, so that progress is of the network alone. */
async function fetchMissing(blocks: VerifiedBlock<'layer'>[], deps: LoadDeps): Promise<void> {
  const missing = [];
  for (const block of blocks) {
    for (const tensor of block.body.tensors) {
      if (!(await deps.store.has(tensor.root))) missing.push({ block, tensor });
    }
  }
  const total = sum(missing.map(({ tensor }) => tensor.byteLength));
  let before = 0;
  for (const { block, tensor } of missing) {
    const { root, byteLength, name } = tensor;
    try {
      await fetchBlob(
        { root, byteLength },
        {
          store: deps.store,
          sources: deps.sources,
          signal: deps.signal,
          onWrong: deps.onWrong,
          onProgress: ({ done }) =>
            deps.onProgress?.({ phase: 'fetch', done: before + done, total, unit: 'bytes' }),
        },
      );
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      const { chain, height } = block;
      throw new StoreError(
        error.code,
        `${name} of block ${height} on chain ${chain}: ${error.message}`,
        { ...error.details, chain, height, tensor: name },
        error,
      );
    }
    before += byteLength;
  }
}

const sum = (values: number[]) => values.reduce((a, b) => a + b, 0);
