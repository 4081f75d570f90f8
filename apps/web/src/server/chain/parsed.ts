/** What was made of blocks, by their hashes: it never changes, and reading a large one anew takes long. */
import type { OpenedBlock } from '@blyan/chain/block';
import type { ModelDetails } from '@blyan/protocol/explorer';
import { Lru } from '../lru.ts';

/** Bytes of bodies; opened, a model block of 1000 layers takes about six times its 60 KB. */
const MOST_BODY_BYTES = 4 * 2 ** 20;
/** Layers of all kept models, each some hundred bytes: ten of the deepest models. */
const MOST_LAYERS = 40_960;

export type ModelSizes = Pick<ModelDetails, 'bytes' | 'tensors' | 'groups' | 'parts'>;

export interface Parsed {
  /** Opened: hash, signature and form are right. By the block's hash in hex. */
  blocks: Lru<OpenedBlock>;
  /** By the hash of the model block in hex. */
  sizes: Lru<ModelSizes>;
}

export const createParsed = (): Parsed => ({
  blocks: new Lru({
    most: MOST_BODY_BYTES,
    sizeOf: ({ sealed: { header, body } }) => header.length + body.length,
  }),
  sizes: new Lru({
    most: MOST_LAYERS,
    sizeOf: ({ groups, parts }) => groups.length + parts.length,
  }),
});
