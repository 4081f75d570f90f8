/** For tests only: small checkpoints in the published layout, whole or deliberately broken. */
import { mkdir, open, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface TestTensor {
  name: string;
  dtype: 'F32' | 'F16' | 'BF16' | 'F8_E4M3';
  shape: number[];
}

const DTYPE_BYTES = { F32: 4, F16: 2, BF16: 2, F8_E4M3: 1 };
const WRITE_BYTES = 4 * 1024 * 1024;

export const tensorBytes = ({ dtype, shape }: TestTensor) =>
  shape.reduce((a, b) => a * b, DTYPE_BYTES[dtype]);

/** A whole file around the given header, which may lie. */
export function safetensors(header: string | object, data = new Uint8Array(0)): Uint8Array {
  const json = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(json.length));
  return Buffer.concat([prefix, json, data]);
}

/** Streams tensors of finite pseudo-random values; the same seed gives the same bytes. */
export async function writeShard(path: string, tensors: TestTensor[], seed: number): Promise<void> {
  const header: Record<string, unknown> = { __metadata__: { format: 'pt' } };
  let offset = 0;
  for (const tensor of tensors) {
    const end = offset + tensorBytes(tensor);
    header[tensor.name] = { dtype: tensor.dtype, shape: tensor.shape, data_offsets: [offset, end] };
    offset = end;
  }
  await using file = await open(path, 'w');
  await file.write(safetensors(header));
  let state = seed | 1;
  for (const tensor of tensors) {
    const total = tensorBytes(tensor);
    for (let at = 0; at < total; at += WRITE_BYTES) {
      const bytes = new Uint8Array(Math.min(WRITE_BYTES, total - at));
      state = fillFinite(bytes, tensor, state);
      await file.write(bytes);
    }
  }
}

/**
 * Bits that stay random, and bits that are set. Values of magnitude below 1 and of any exponent; scales
 * all have the same one, so that no tensor vanishes beside another.
 */
const BITS = {
  F32: { kept: 0xbfffffff, scale: { kept: 0x807fffff, set: 0x3c000000 } },
  F16: { kept: 0xbfff, scale: { kept: 0x83ff, set: 0x2000 } },
  BF16: { kept: 0xbfff, scale: { kept: 0x807f, set: 0x3c00 } },
  F8_E4M3: { kept: 0xbf, scale: { kept: 0x87, set: 0x20 } },
};

function fillFinite(
  bytes: Uint8Array<ArrayBuffer>,
  { name, dtype }: TestTensor,
  seed: number,
): number {
  let x = seed;
  const { kept, scale } = BITS[dtype];
  const bits = name.endsWith('_scale_inv') ? scale : { kept, set: 0 };
  const size = DTYPE_BYTES[dtype];
  const Words = size === 4 ? Uint32Array : size === 2 ? Uint16Array : Uint8Array;
  const words = new Words(bytes.buffer, 0, bytes.length / size);
  for (let i = 0; i < words.length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    words[i] = (x & bits.kept) | bits.set;
  }
  return x;
}

export interface TestShape {
  layers: number;
  hidden: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  intermediate: number;
  vocab: number;
  tied: boolean;
}

export const SMALL: TestShape = {
  layers: 2,
  hidden: 64,
  heads: 4,
  kvHeads: 2,
  headDim: 16,
  intermediate: 96,
  vocab: 128,
  tied: false,
};

export const qwen3Config = (shape: TestShape): Record<string, unknown> => ({
  architectures: ['Qwen3ForCausalLM'],
  model_type: 'qwen3',
  attention_bias: false,
  head_dim: shape.headDim,
  hidden_act: 'silu',
  hidden_size: shape.hidden,
  intermediate_size: shape.intermediate,
  max_position_embeddings: 256,
  num_attention_heads: shape.heads,
  num_hidden_layers: shape.layers,
  num_key_value_heads: shape.kvHeads,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 10000,
  eos_token_id: 1,
  tie_word_embeddings: shape.tied,
  torch_dtype: 'bfloat16',
  vocab_size: shape.vocab,
});

export function qwen3Tensors(shape: TestShape, dtype: TestTensor['dtype'] = 'BF16'): TestTensor[] {
  const { hidden, heads, kvHeads, headDim, intermediate, vocab } = shape;
  const list: [string, number[]][] = [['model.embed_tokens', [vocab, hidden]]];
  for (let i = 0; i < shape.layers; i++) {
    const rows: [string, number[]][] = [
      ['input_layernorm', [hidden]],
      ['self_attn.q_proj', [heads * headDim, hidden]],
      ['self_attn.k_proj', [kvHeads * headDim, hidden]],
      ['self_attn.v_proj', [kvHeads * headDim, hidden]],
      ['self_attn.o_proj', [hidden, heads * headDim]],
      ['self_attn.q_norm', [headDim]],
      ['self_attn.k_norm', [headDim]],
      ['post_attention_layernorm', [hidden]],
      ['mlp.gate_proj', [intermediate, hidden]],
      ['mlp.up_proj', [intermediate, hidden]],
      ['mlp.down_proj', [hidden, intermediate]],
    ];
    for (const [name, dims] of rows) list.push([`model.layers.${i}.${name}`, dims]);
  }
  list.push(['model.norm', [hidden]]);
  if (!shape.tied) list.push(['lm_head', [vocab, hidden]]);
  return list.map(([name, dims]) => ({ name: `${name}.weight`, dtype, shape: dims }));
}

/** What config.json of a published FP8 checkpoint says. */
export const FP8_CONFIG = {
  quantization_config: {
    activation_scheme: 'dynamic',
    fmt: 'e4m3',
    quant_method: 'fp8',
    weight_block_size: [128, 128],
  },
};

/** Layers' matrices in fp8, each with the scales of its blocks behind it; the rest as it is. */
export function fp8Tensors(tensors: TestTensor[], scales: 'F32' | 'BF16' = 'BF16'): TestTensor[] {
  return tensors.flatMap((tensor): TestTensor[] => {
    const { name, shape } = tensor;
    if (shape.length !== 2 || !name.startsWith('model.layers.')) return [tensor];
    const blocks = shape.map((size) => Math.ceil(size / 128));
    return [
      { name, dtype: 'F8_E4M3', shape },
      { name: `${name}_scale_inv`, dtype: scales, shape: blocks },
    ];
  });
}

export interface TestCheckpoint {
  shape?: TestShape;
  config?: Record<string, unknown>;
  dtype?: TestTensor['dtype'];
  /** Changes the tensors before they are written. */
  edit?: (tensors: TestTensor[]) => TestTensor[];
  /** More than one makes an index. */
  shards?: number;
  /** Changes the index before it is written. */
  editIndex?: (index: TestIndex) => void;
  seed?: number;
  /** Changes what it chats with before it is written; without `tokenizer`, `template` there is none. */
  editChat?: (chat: TestChat) => void;
}

export interface TestChat {
  tokenizer?: ReturnType<typeof byteTokenizer>;
  template?: string;
}

/** Byte-level, one token a printable ASCII character; ids 0 to 2 are special. */
export function byteTokenizer() {
  const special = ['<pad>', '<end>', '<stop>'];
  const characters = Array.from({ length: 94 }, (_, i) => String.fromCharCode(0x21 + i));
  // U+0120 and U+010A: space and line feed as byte-level BPE writes them.
  const vocab = [...special, '\u0120', '\u010a', ...characters];
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: false };
  return {
    version: '1.0',
    added_tokens: special.map((content, id) => ({
      ...{ id, content, special: true, normalized: false },
      ...{ single_word: false, lstrip: false, rstrip: false },
    })),
    normalizer: null,
    pre_tokenizer: { ...byteLevel, use_regex: false },
    post_processor: null,
    decoder: byteLevel,
    model: {
      type: 'BPE',
      vocab: Object.fromEntries(vocab.map((token, id) => [token, id])) as Record<string, number>,
      merges: [] as [string, string][],
    },
  };
}

export const PLAIN_TEMPLATE = '{% for message in messages %}{{ message.content }}<end>{% endfor %}';

export async function writeChat(dir: string, { tokenizer, template }: TestChat): Promise<void> {
  if (tokenizer) await writeFile(join(dir, 'tokenizer.json'), JSON.stringify(tokenizer));
  if (template) await writeFile(join(dir, 'chat_template.jinja'), template);
}

export interface TestIndex {
  metadata: { total_size: number };
  weight_map: Record<string, string>;
}

export async function writeCheckpoint(dir: string, options: TestCheckpoint = {}): Promise<string> {
  const { shape = SMALL, shards = 1, seed = 1 } = options;
  await mkdir(dir, { recursive: true });
  const config = { ...qwen3Config(shape), ...options.config };
  await writeFile(join(dir, 'config.json'), JSON.stringify(config));
  await writeFile(join(dir, 'generation_config.json'), JSON.stringify({ eos_token_id: [1, 2] }));
  const chat: TestChat = { tokenizer: byteTokenizer(), template: PLAIN_TEMPLATE };
  options.editChat?.(chat);
  await writeChat(dir, chat);
  const all = qwen3Tensors(shape, options.dtype);
  const tensors = options.edit?.(all) ?? all;
  if (shards === 1) {
    await writeShard(join(dir, 'model.safetensors'), tensors, seed);
    return dir;
  }
  const index: TestIndex = { metadata: { total_size: 0 }, weight_map: {} };
  const perShard = Math.ceil(tensors.length / shards);
  for (let i = 0; i < shards; i++) {
    const path = `model-${String(i + 1).padStart(5, '0')}-of-${String(shards).padStart(5, '0')}.safetensors`;
    const part = tensors.slice(i * perShard, (i + 1) * perShard);
    await writeShard(join(dir, path), part, seed + i * 1000);
    for (const tensor of part) {
      index.weight_map[tensor.name] = path;
      index.metadata.total_size += tensorBytes(tensor);
    }
  }
  options.editIndex?.(index);
  await writeFile(join(dir, 'model.safetensors.index.json'), JSON.stringify(index));
  return dir;
}
