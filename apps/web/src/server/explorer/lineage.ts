/** The way of one answer's weights, down to the file that they were made from, as far as it is chosen. */
import type { Receipt } from '@blyan/protocol/answer';
import type { ModelDetails, TensorDetails, TensorSummary } from '@blyan/protocol/explorer';
import type { LineagePlace } from '../../lib/explorer-links.ts';
import { findAnswer } from '../answers/row.ts';
import type { Context } from '../context.ts';
import { readModel, readModelTensors } from './models.ts';
import { readTensor } from './tensors.ts';

export interface LineageData {
  answer: { id: string; receipt: Receipt | null } | null;
  model: ModelDetails | null;
  group: string | null;
  /** Of the chosen group. */
  tensors: TensorSummary[];
  tensor: TensorDetails | null;
  chunk: number | null;
  from: Pick<LineagePlace, 'layersFrom' | 'tensorsFrom' | 'chunksFrom'>;
}

/** All of a layer block. */
const TENSORS = 1024;

/**
 * What is not named is found from what is: the model of an answer, the layer of a tensor.
 * @throws ApiError 404
 */
export async function readLineage(
  ctx: Pick<Context, 'db' | 'parsed'>,
  query: LineagePlace,
): Promise<LineageData> {
  const row = query.answer === undefined ? null : await findAnswer(query.answer, ctx);
  const answer = row && { id: row.id, receipt: row.receipt };
  const tensor = query.tensor === undefined ? null : await readTensor(ctx, query.tensor);
  const hash = query.model ?? answer?.receipt?.model.block.hash ?? tensor?.models[0]?.hash;
  const model = hash === undefined ? null : await readModel(ctx, hash);
  // The newest block that holds the tensor may be of no model, or of another one.
  const own = tensor?.models.find((user) => user.hash === model?.hash)?.layer;
  const group = query.group ?? own?.group ?? tensor?.group ?? null;
  const tensors =
    model && group
      ? await readModelTensors(ctx.db, model.hash, {
          group,
          sort: 'ordinal',
          order: 'asc',
          limit: TENSORS,
        })
      : null;
  return {
    answer,
    model,
    group,
    tensors: tensors?.tensors ?? (tensor ? [tensor] : []),
    tensor,
    chunk: query.chunk ?? null,
    from: {
      layersFrom: query.layersFrom,
      tensorsFrom: query.tensorsFrom,
      chunksFrom: query.chunksFrom,
    },
  };
}
