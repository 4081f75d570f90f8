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
  rope: RopeConfig;
  /** The head is the embedding. */
  tied: boolean;
}

/**
 * How positions turn the heads. The turn of pair i at position p is p times its inverse frequency, by
 * default theta^(-2i / headDim); the other types change the frequencies, see stage/frequencies.ts.
 */
export type RopeConfig =
  | { type: 'default'; theta: number }
  | { type: 'linear'; theta: number; factor: number }
  | {
      type: 'llama3';
      theta: number;
      factor: number;
      lowFrequency: number;
      highFrequency: number;
      /** Positions that the model was trained on before it was extended. */
      originalContext: number;
    }
  | {
      type: 'yarn';
      theta: number;
      factor: number;
      /** Multiplies cosines and sines. */
      attentionFactor: number;
      /** Pairs that turn more often than this within the original context keep their frequency. */
      betaFast: number;
      /** Pairs that turn less often are slowed down by the whole factor. */
      betaSlow: number;
      /** The bounds between those are whole pairs. */
      truncate: boolean;
      originalContext: number;
    };

/** Role of a tensor in the stage graph, independent of the family's naming. */
export type TensorRole =
  | 'embedding'
  | 'attention.norm'
  | 'attention.query'
  | 'attention.query_bias'
  | 'attention.key'
  | 'attention.key_bias'
  | 'attention.value'
  | 'attention.value_bias'
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
  /** A config.json without `head_dim` means hidden / heads. */
  derivesHeadDim: boolean;
  /** Meaning of other fields that config.json may leave out; without an entry they are required. */
  defaults?: { kvHeads?: 'heads'; ropeTheta?: number };
  /**
   * When `sliding_window` counts: only with `use_sliding_window` (and then only for some layers), or
   * always; `absent` is what a config.json without it means.
   */
  windows: 'flagged' | { absent: number | null };
  /** Fields of config.json that must be absent, null or this value; the graph knows nothing else. */
  fixed: Readonly<Record<string, unknown>>;
  embedding: TensorRow;
  layer: readonly TensorRow[];
  norm: TensorRow;
  head: TensorRow;
  /** Tensors without weights of their own, which old exporters wrote: computed, never stored. */
  ignored: readonly RegExp[];
}
