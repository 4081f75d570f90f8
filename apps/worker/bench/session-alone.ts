/**
 * What the runtime takes to create the sessions of a stage, for `npm run bench -- engine --only load`: the same parts
 * in the same order as a worker's, over weights that are all read and verified before, while nothing else is done.
 *
 * Arguments: directory, threads, slots. The output is one line, `{"sessionSeconds": n}`.
 */
import { StageBuilder, type StageGraph } from '@blyan/model/stage/graph';
import { stageGroups } from '@blyan/model/stage/plan';
import { loadTensor } from '@blyan/store/load';
import { fetchStage } from '../src/engine/load-model.ts';
import { createParts } from '../src/engine/stage-parts.ts';
import { openNetwork } from './ours.ts';

const [dir, threadCount, slotCount] = process.argv.slice(2);
if (!dir || !threadCount || !slotCount) throw new Error('see the head of this file');
const options = { threads: Number(threadCount), slots: Number(slotCount) };

const { from, deps } = await openNetwork(dir);
const { spec, blocks, order } = await fetchStage(from, deps, options);
const graphs: StageGraph[] = [];
for (const part of order) {
  const builder = new StageBuilder(part, options);
  const groups = new Set(stageGroups(part));
  for (const block of blocks.filter(({ body }) => groups.has(body.group))) {
    for (const { name } of block.body.tensors) builder.add(await loadTensor({ block, name }, deps));
  }
  graphs.push(builder.finish());
}
async function* inMemory() {
  yield* graphs;
}
const { parts, createMs } = await createParts(spec, inMemory(), options);
console.log(JSON.stringify({ sessionSeconds: createMs / 1000 }));
for (const { session } of parts) await session.release();
