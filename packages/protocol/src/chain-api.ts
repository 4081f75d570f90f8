/** Chains and blobs over HTTP: what is asked and what comes back, for people and programs. */
import { z } from 'zod';
import { ChainId, Hash, NodeId } from './ids.ts';

export const ChainParams = z.object({ id: ChainId });
export const BlockParams = z.object({
  id: ChainId,
  ref: z.string().max(64).meta({ description: 'Height, or the whole hash in hex.' }),
});
export const ModelParams = z.object({
  hash: Hash.meta({ description: 'Hash of the model block, in hex.' }),
});
export const NodeParams = z.object({ id: NodeId });
export const BlobParams = z.object({ root: Hash.meta({ description: 'Merkle root, in hex.' }) });

const height = z.number().int().min(0);
const base64 = (description: string) => z.string().meta({ description: `Base64. ${description}` });
const signature = z.string().meta({ description: 'Ed25519, over the hash of the block; hex.' });

/** Header fields with byte strings as hex: readable, and no proof of anything. */
const ReadableHeader = z
  .looseObject({ height, prev: Hash.nullable(), time: z.number().int(), type: z.string() })
  .meta({ description: 'Fields of the header; byte strings are hex.' });

/** A block as it is verified: exact bytes. */
export const WireShape = z.object({
  chain: ChainId,
  height,
  hash: Hash,
  headerBytes: base64('The canonical bytes that are hashed.'),
  bodyBytes: base64('The canonical bytes of the body.'),
  signature,
});

const HeadShape = z.object({
  chain: ChainId,
  height,
  hash: Hash,
  header: ReadableHeader,
  headerBytes: base64('The canonical bytes that are hashed.'),
  signature,
});

export const BlockShape = z.object({
  chain: ChainId,
  height,
  hash: Hash,
  header: ReadableHeader,
  body: z.looseObject({}).meta({ description: 'Fields of the body, by the type of the block.' }),
  signature,
  wire: WireShape,
});

export const BlockPage = z.object({
  chain: ChainId,
  size: z.number().int().meta({ description: 'Blocks of the chain.' }),
  blocks: z
    .array(z.union([WireShape, HeadShape]))
    .meta({ description: 'Exact bytes with `bodies=1`, else headers for people.' }),
  next: height.nullable().meta({ description: '`from` of the next page.' }),
});

export const CheckpointShape = z.looseObject({
  bytes: base64('What was signed; keep it to notice a rollback.'),
});
