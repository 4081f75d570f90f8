/** From verified blocks to the graphs of a stage's parts, read and verified a part ahead. */
import type { VerifiedTensor } from '@blyan/chain/tensor';
import type { TensorDescriptor } from '@blyan/chain/types';
import type { VerifiedBlock } from '@blyan/chain/verify';
import { VerifyThread } from '@blyan/chain/verify-thread';
import { StageBuilder, type StageGraph, type StageOptions } from '@blyan/model/stage/graph';
import { type StageSpec, stageGroups } from '@blyan/model/stage/plan';
import type { LoadProgress } from '@blyan/protocol/node';
import { type LoadDeps as BlobDeps, loadTensor } from '@blyan/store/load';

export interface BuildDeps extends Omit<BlobDeps, 'thread' | 'onProgress'> {
  onProgress?(progress: LoadProgress): void;
}

interface Wanted {
  block: VerifiedBlock<'layer'>;
  tensor: TensorDescriptor;
}

/**
 * Graphs in the order of `specs`. While one is built into a session, which blocks this thread, the tensors
 * of the next, and never more, are read and verified by another one. What the runtime has copied is
 * released when the next graph is asked for.
 *
 * @throws ChainError, StoreError, ModelError, and the signal's reason
 */
export async function* buildParts(
  specs: readonly StageSpec[],
  blocks: readonly VerifiedBlock<'layer'>[],
  { onProgress, ...blobs }: BuildDeps,
  options: StageOptions,
): AsyncGenerator<StageGraph, undefined> {
  // Ends also what is being read when loading ends early.
  const stop = new AbortController();
  const signal = AbortSignal.any([stop.signal, ...(blobs.signal ? [blobs.signal] : [])]);
  await using thread = specs.length > 1 ? new VerifyThread(signal) : undefined;
  try {
    // A tied embedding is read once, for the part that gathers its rows and for the one with the head.
    const loads = new Map<TensorDescriptor, Promise<VerifiedTensor>>();
    const load = ({ block, tensor }: Wanted): Promise<VerifiedTensor> => {
      const begun = loads.get(tensor);
      if (begun) return begun;
      const loading = loadTensor({ block, name: tensor.name }, { ...blobs, signal, thread });
      // Awaited at its turn; until then a failure must not end the process.
      loading.catch(() => undefined);
      loads.set(tensor, loading);
      return loading;
    };
    const parts = specs.map((spec) => ({ spec, wanted: tensorsOf(spec, blocks) }));
    const all = new Set(parts.flatMap(({ wanted }) => wanted.map(({ tensor }) => tensor)));
    const total = [...all].reduce((sum, { byteLength }) => sum + byteLength, 0);
    const embeds = specs.some(({ embed }) => embed);
    let done = 0;
    for (const [i, { spec, wanted }] of parts.entries()) {
      wanted.forEach(load);
      const builder = new StageBuilder(spec, options);
      const copied: VerifiedTensor[] = [];
      for (const one of wanted) {
        const { block, tensor } = one;
        const verified = await load(one);
        const isRead = builder.add(verified);
        // Its rows are gathered from the verified buffer for as long as the stage lives.
        if (embeds && block.body.group === 'embedding') continue;
        loads.delete(tensor);
        if (isRead) copied.push(verified);
        else verified.release();
        done += tensor.byteLength;
        onProgress?.({ phase: 'verify', done, total, unit: 'bytes' });
      }
      parts[i + 1]?.wanted.forEach(load);
      yield builder.finish();
      for (const tensor of copied) tensor.release();
    }
    onProgress?.({ phase: 'verify', done: total, total, unit: 'bytes' });
  } finally {
    stop.abort();
  }
}

function tensorsOf(spec: StageSpec, blocks: readonly VerifiedBlock<'layer'>[]): Wanted[] {
  const groups = new Set(stageGroups(spec));
  return blocks
    .filter((block) => groups.has(block.body.group))
    .flatMap((block) => block.body.tensors.map((tensor) => ({ block, tensor })));
}
