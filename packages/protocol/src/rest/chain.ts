/** Routes of chains and blobs. */
import { BlocksQuery } from '../api.ts';
import {
  BlobParams,
  BlockPage,
  BlockParams,
  BlockShape,
  ChainParams,
  CheckpointShape,
} from '../chain-api.ts';
import { BlockQuery } from '../explorer.ts';
import { operations } from './operation.ts';

const RANGES = {
  Range: 'One range of bytes.',
  'If-None-Match': 'The blob is never another: 304.',
};
const blob = {
  path: '/blobs/{root}',
  tag: 'Blobs',
  params: BlobParams,
  headers: RANGES,
  replies: {
    200: { description: 'The bytes; `X-Blob-Length` has their number.', bytes: true },
    206: { description: 'The range.', bytes: true },
    304: { description: 'Unchanged, like every blob.' },
    416: { description: 'The range is outside.' },
  },
  errors: [400, 404, 500, 503],
} as const;

export const CHAIN_OPERATIONS = operations([
  {
    method: 'get',
    path: '/chain/{id}/blocks',
    tag: 'Chain',
    summary: 'A page of blocks: upwards from a height, or the newest',
    params: ChainParams,
    query: BlocksQuery,
    replies: { 200: { description: 'The page.', json: BlockPage } },
    errors: [400, 500, 503],
  },
  {
    method: 'get',
    path: '/chain/{id}/block/{ref}',
    tag: 'Chain',
    summary: 'A block by height or hash',
    params: BlockParams,
    query: BlockQuery,
    replies: {
      200: { description: 'The block, for people and as exact bytes.', json: BlockShape },
      304: { description: 'Unchanged: by hash it is never another.' },
    },
    errors: [400, 404, 500, 503],
  },
  {
    method: 'head',
    path: '/chain/{id}/block/{ref}',
    tag: 'Chain',
    summary: 'Whether the block is here',
    params: BlockParams,
    query: BlockQuery,
    replies: { 200: { description: 'It is.' } },
    errors: [400, 404, 500, 503],
  },
  {
    method: 'get',
    path: '/chain/{id}/checkpoint',
    tag: 'Chain',
    summary: 'The latest signed checkpoint: head, size and log root',
    params: ChainParams,
    replies: { 200: { description: 'The checkpoint.', json: CheckpointShape } },
    errors: [400, 404, 500, 503],
  },
  { ...blob, method: 'get', summary: 'Bytes of a tensor or file; check them against the root' },
  { ...blob, method: 'head', summary: 'Whether the blob is here, and how long it is' },
  {
    method: 'get',
    path: '/blobs/{root}/leaves',
    tag: 'Blobs',
    summary:
      'Hashes of the leaves, 32 bytes each: checked against the root once, then a chunk at a time',
    params: BlobParams,
    replies: { 200: { description: 'The hashes.', bytes: true } },
    errors: [400, 404, 500, 503],
  },
  {
    method: 'head',
    path: '/blobs/{root}/leaves',
    tag: 'Blobs',
    summary: 'How many hashes there are: the length by 32',
    params: BlobParams,
    replies: { 200: { description: 'The blob is here.' } },
    errors: [400, 404, 500, 503],
  },
]);
