/**
 * The shapes that are hashed. Everything here is encoded as deterministic DAG-CBOR: no floats, map
 * keys in DAG-CBOR order, no `undefined`. Source: docs/chain.md.
 */

export type ChainId = 'A' | 'B' | 'L';
/** 32 bytes. */
export type Hash = Uint8Array;
/** 32 bytes, Ed25519. */
export type PublicKey = Uint8Array;

/** Header v1. Its canonical bytes are what is hashed and signed. */
export interface Header {
  v: 1;
  chain: ChainId;
  height: number;
  /** Block hash at height - 1; null in a genesis. */
  prev: Hash | null;
  /** Integer milliseconds since 1970. Never goes backwards within a chain. */
  time: number;
  type: BlockType;
  /** SHA-256 of the body bytes (domain-tagged). */
  body: Hash;
  bodyLength: number;
  /** Hash of the chain A head that the author saw; null on chain A. Never goes backwards. */
  anchor: Hash | null;
  /** RFC 6962 root over the hashes of all earlier blocks of this chain. */
  log: Hash;
  author: PublicKey;
}

export type BlockType = 'genesis' | 'model' | 'authority' | 'retire' | 'layer' | 'epoch';

/** Genesis of chain A. Those of B and L derive from it: see `deriveGenesis`. */
export interface GenesisBody {
  network: string;
  authorities: PublicKey[];
}
/** Genesis of chains B and L. */
export interface DerivedGenesisBody {
  network: string;
  /** Block hash of chain A's genesis. */
  root: Hash;
}
export interface AuthorityBody {
  action: 'add' | 'remove';
  key: PublicKey;
}
export interface RetireBody {
  /** Block hash of the model block that must not serve new requests. */
  model: Hash;
  reason: string;
}

/** A whole file of the source checkpoint, or one kept on chain (config, tokenizer, template). */
export interface FileRef {
  /** Path inside the checkpoint, forward slashes. */
  path: string;
  byteLength: number;
  /** SHA-256 of the file. */
  sha256: Hash;
}
/** A file whose bytes are in the blob store under `root`. */
export interface StoredFile extends FileRef {
  root: Hash;
}

export interface ModelBody {
  name: string;
  /** Architecture family, e.g. `qwen3`. */
  family: string;
  /** Number of weights. */
  parameters: number;
  /** config.json, generation_config.json, tokenizer.json, tokenizer_config.json, chat template. */
  files: StoredFile[];
  /** In order: embedding, layer.0 ..., norm, head (no head when it is tied). */
  layers: { group: string; block: Hash }[];
  recipe: Recipe;
  source: { repository: string | null; revision: string | null; files: FileRef[] };
}

export interface LayerBody {
  /** `embedding`, `layer.N`, `norm` or `head`. */
  group: string;
  tensors: TensorDescriptor[];
}

export type StoredFormat = 'f32' | 'f16' | 'bf16' | 'fp8' | 'q8' | 'q4' | 'nf4';

export interface Recipe {
  /** e.g. `raw`, `widen-f32`, `q4-sym-64`: see docs/formats.md. */
  name: string;
  version: number;
}

export interface TensorDescriptor {
  /** Name in the checkpoint, e.g. `model.layers.0.self_attn.q_proj.weight`. */
  name: string;
  /** Role in the stage graph, e.g. `attention.query`, independent of the family's naming. */
  role: string;
  /** Type in the source checkpoint. */
  dtype: 'f32' | 'f16' | 'bf16' | 'fp8';
  /** Logical shape, row-major, as in the checkpoint. */
  shape: number[];
  format: StoredFormat;
  /** Of the stored bytes. */
  byteLength: number;
  leafSize: number;
  /** Merkle root of the stored bytes. */
  root: Hash;
  /** The tensor's raw bytes. */
  source: SourceRange & {
    /** Where the checkpoint keeps the scales of an `fp8` tensor; absent with every other dtype. */
    scales?: SourceRange;
  };
  recipe: Recipe;
}

/** Bytes of a checkpoint file. */
export interface SourceRange {
  /** SHA-256 of the file. */
  file: Hash;
  offset: number;
  length: number;
  /** Merkle root of the bytes. */
  root: Hash;
}

export type BlockBody =
  | GenesisBody
  | DerivedGenesisBody
  | AuthorityBody
  | RetireBody
  | ModelBody
  | LayerBody;

/** A block as it is stored and sent: canonical bytes and a signature over the block hash. */
export interface SealedBlock {
  header: Uint8Array;
  body: Uint8Array;
  /** 64 bytes. */
  signature: Uint8Array;
}

/** What a block of each type holds. `epoch` has no body yet. */
export interface Bodies {
  genesis: GenesisBody | DerivedGenesisBody;
  model: ModelBody;
  authority: AuthorityBody;
  retire: RetireBody;
  layer: LayerBody;
  epoch: never;
}
export type BodyOf<T extends BlockType> = Bodies[T];

/** Where a block is: what receipts, errors and pages name. */
export interface BlockRef {
  chain: ChainId;
  height: number;
  hash: Hash;
}
