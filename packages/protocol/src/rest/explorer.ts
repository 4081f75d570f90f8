/** Routes of the explorer: what is on the chains, found and proved. */
import { z } from 'zod';
import { BlobParams, ChainParams, ModelParams, NodeParams } from '../chain-api.ts';
import {
  ChainSummary,
  ChunkProof,
  ChunkProofQuery,
  ConsistencyProof,
  ConsistencyQuery,
  GrowthQuery,
  InclusionProof,
  InclusionQuery,
  ModelDetails,
  ModelDiffQuery,
  ModelSummary,
  ModelsQuery,
  ModelTensorsQuery,
  NodeDetails,
  ReceiptDetails,
  ReceiptParams,
  SearchAnswer,
  SearchQuery,
  TensorDetails,
  TensorDifference,
  TensorSummary,
  TensorUse,
  TensorUsesQuery,
} from '../explorer.ts';
import { operations } from './operation.ts';

const errors = [400, 404, 500, 503] as const;
const next = z.string().nullable().meta({ description: '`cursor` of the next page.' });
const page = <const K extends string>(key: K, row: z.ZodType) =>
  z.looseObject({ [key]: z.array(row), next });
const UNCHANGED = { description: 'Unchanged, like everything that a hash names.' };
const KNOWN = {
  'If-None-Match': 'What is here never changes once all layer blocks are here: 304.',
};
const CSV =
  'As a table with `format=csv` or `Accept: text/csv`: all of it, or with `limit` a page, and the next one in `Link`.';

export const EXPLORER_OPERATIONS = operations([
  {
    method: 'get',
    path: '/chain',
    tag: 'Chain',
    summary: 'All chains: size, head and authors',
    replies: {
      200: {
        description: 'Those that have a genesis.',
        json: z.looseObject({ chains: z.array(ChainSummary) }),
      },
    },
    errors: [500, 503],
  },
  {
    method: 'get',
    path: '/chain/{id}/growth',
    tag: 'Chain',
    summary: 'Number of blocks at moments spread evenly over its life',
    description: CSV,
    params: ChainParams,
    query: GrowthQuery,
    replies: {
      200: {
        description: 'The points.',
        json: z.looseObject({ points: z.array(z.looseObject({})) }),
      },
    },
    errors,
  },
  {
    method: 'get',
    path: '/proofs/inclusion',
    tag: 'Proofs',
    summary: 'That a block is in the log of the first blocks of its chain',
    query: InclusionQuery,
    replies: { 200: { description: 'An RFC 6962 audit path.', json: InclusionProof } },
    errors,
  },
  {
    method: 'get',
    path: '/proofs/consistency',
    tag: 'Proofs',
    summary: 'That a longer log begins with a shorter one',
    query: ConsistencyQuery,
    replies: { 200: { description: 'An RFC 6962 consistency proof.', json: ConsistencyProof } },
    errors,
  },
  {
    method: 'get',
    path: '/proofs/chunk',
    tag: 'Proofs',
    summary: 'That a chunk of 1 MiB is in a blob',
    query: ChunkProofQuery,
    replies: { 200: { description: 'An audit path.', json: ChunkProof } },
    errors,
  },
  {
    method: 'get',
    path: '/models',
    tag: 'Models',
    summary: 'Models on chain A',
    description: CSV,
    query: ModelsQuery,
    replies: { 200: { description: 'A page.', json: page('models', ModelSummary) } },
    errors,
  },
  {
    method: 'get',
    path: '/models/{hash}',
    tag: 'Models',
    summary: 'A model: sizes by layer and by role',
    params: ModelParams,
    replies: { 200: { description: 'The model.', json: ModelDetails } },
    errors,
  },
  {
    method: 'get',
    path: '/models/{hash}/tensors',
    tag: 'Models',
    summary: "A model's tensors: sorted, filtered",
    description: CSV,
    params: ModelParams,
    query: ModelTensorsQuery,
    headers: KNOWN,
    replies: {
      200: { description: 'A page.', json: page('tensors', TensorSummary) },
      304: UNCHANGED,
    },
    errors,
  },
  {
    method: 'get',
    path: '/models/{hash}/diff',
    tag: 'Models',
    summary: 'Tensors that differ between two models, by layer and name',
    description: CSV,
    params: ModelParams,
    query: ModelDiffQuery,
    headers: KNOWN,
    replies: {
      200: {
        description: 'A page, in the order of this model; `layers`: how many layers they are in.',
        json: page('differences', TensorDifference).extend({ layers: z.number() }),
      },
      304: UNCHANGED,
    },
    errors,
  },
  {
    method: 'get',
    path: '/tensors/{root}',
    tag: 'Models',
    summary: 'A tensor: descriptor, blocks and models that have it, answers that used it',
    params: BlobParams,
    replies: { 200: { description: 'The tensor.', json: TensorDetails } },
    errors,
  },
  {
    method: 'get',
    path: '/tensors/{root}/uses',
    tag: 'Models',
    summary: 'All layer blocks that hold a tensor, newest first',
    description: CSV,
    params: BlobParams,
    query: TensorUsesQuery,
    replies: { 200: { description: 'A page.', json: page('uses', TensorUse) } },
    errors,
  },
  {
    method: 'get',
    path: '/receipts/{id}',
    tag: 'Chat',
    summary: 'What ran where for one answer; the text is no part of it',
    params: ReceiptParams,
    replies: {
      200: { description: 'The receipt, once the answer has ended.', json: ReceiptDetails },
    },
    errors,
  },
  {
    method: 'get',
    path: '/nodes/{id}',
    tag: 'Nodes',
    summary: 'A worker: its key, what it runs now, and how many answers it had a part in',
    params: NodeParams,
    replies: { 200: { description: 'The worker.', json: NodeDetails } },
    errors,
  },
  {
    method: 'get',
    path: '/search',
    tag: 'Search',
    summary: 'A height, a hash or its beginning, a tensor, layer, file, model, node or receipt',
    query: SearchQuery,
    replies: {
      200: { description: 'What matches; `message` when nothing does.', json: SearchAnswer },
    },
    errors,
  },
]);
