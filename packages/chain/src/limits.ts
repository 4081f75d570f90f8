/** Bounds of everything that this package parses, checked before any work is done on the bytes. */

/** The longest v1 header has 263 bytes; anything near a kilobyte is not a header. */
export const MAX_HEADER_BYTES = 1024;
/** The largest real bodies are model blocks: 56 bytes a layer, about 100 a source file. */
export const MAX_BODY_BYTES = 1 << 20;
/** The longest signed checkpoint has 244 bytes. */
export const MAX_CHECKPOINT_BYTES = 1024;
/** Deepest value of the specification: model > source > files > file is 4; twice that. */
export const MAX_DEPTH = 8;
/** Heights and sizes are 32-bit signed integers in the database. */
export const MAX_HEIGHT = 0x7fffffff;
/** Authorities of one network: people with keys, not machines. */
export const MAX_AUTHORITIES = 64;
/** Layer groups of one model; the deepest published dense models have about 130 layers. */
export const MAX_LAYERS = 4096;
/** Tensors in one layer group: dense decoder layers have about a dozen. */
export const MAX_TENSORS = 1024;
/** Files kept on chain for one model: configuration, tokenizer and templates, about half a dozen. */
export const MAX_STORED_FILES = 64;
/** Files of one source checkpoint; the largest published ones have some hundred shards. */
export const MAX_SOURCE_FILES = 2048;
/** Dimensions of one tensor. */
export const MAX_RANK = 8;
/** Characters of names and paths. */
export const MAX_NAME = 256;
export const MAX_PATH = 512;
/** One leaf of a tree over bytes: big enough that proofs stay short, small enough to refetch. */
export const LEAF_SIZE = 1 << 20;
/** Leaves of one blob, far above any tensor: what a walk fetches for one is bounded by them. */
export const MAX_LEAVES = 1 << 20;
/** 1 TiB. */
export const MAX_BLOB_BYTES = LEAF_SIZE * MAX_LEAVES;
