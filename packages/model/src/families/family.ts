/**
 * A family is a table: which tensors a checkpoint of it has, with which shapes, and what its
 * config.json may say. A new family is a new table.
 */

/** What a stage needs to know about a model, read off the checkpoint's config.json. */
export interface ModelConfig {
  /** As in the model block, e.g. `qwen3`. */
  family: string;
  layers: number;
  hidden: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  intermediate: number;
  /** Rows of the embedding (padding rows included). */
  vocab: number;
  /** Longest sequence, prompt and answer together. */
  context: number;
  normEpsilon: number;
  rope: { type: 'default'; theta: number };
  /** The head is the embedding. */
  tied: boolean;
}

/** Role of a tensor in the stage graph, independent of the family's naming. */
export type TensorRole =
  | 'embedding'
  | 'attention.norm'
  | 'attention.query'
  | 'attention.key'
  | 'attention.value'
  | 'attention.output'
  | 'attention.query_norm'
  | 'attention.key_norm'
  | 'mlp.norm'
  | 'mlp.gate'
  | 'mlp.up'
  | 'mlp.down'
  | 'norm'
  | 'head';

/** A dimension by its meaning; `query` is heads * headDim, `key` is kvHeads * headDim. */
export type Dimension = 'hidden' | 'vocab' | 'headDim' | 'query' | 'key' | 'intermediate';

/** Role, name in the checkpoint (`{i}` is the layer's number), shape. */
export type TensorRow = readonly [role: TensorRole, name: string, shape: readonly Dimension[]];

export interface Family {
  name: string;
  /** As in `architectures` of config.json. */
  architecture: string;
  /** As in `model_type` of config.json. */
  modelType: string;
  /** Meaning of a config.json without `tie_word_embeddings`. */
  tiedByDefault: boolean;
  /** Fields of config.json that must be absent, null or this value; the graph knows nothing else. */
  fixed: Readonly<Record<string, unknown>>;
  embedding: TensorRow;
  layer: readonly TensorRow[];
  norm: TensorRow;
  head: TensorRow;
  /** Tensors without weights of their own, which old exporters wrote: computed, never stored. */
  ignored: readonly RegExp[];
}
