/**
 * The very weights that lie in the blob store as q4, as a GGUF file with Q4_0: both have codes around 8
 * with one binary16 scale a block, so nothing is rounded. Blocks of Q4_0 have 32 codes: each of ours, of
 * 128, becomes four with the same scale. For 32 weights llama.cpp then reads 18 bytes, and our runtime, which
 * has a scale and a sum of 4 bytes each for a block, 18 as well.
 * Every matrix is Q4_0, the embedding too; llama.cpp's own quantizer would make that one larger.
 */
import { resolveModel } from '@blyan/chain/model';
import type { TensorDescriptor } from '@blyan/chain/types';
import type { ChainVerifier, VerifiedBlock } from '@blyan/chain/verify';
import type { ModelConfig } from '@blyan/model/config';
import { decodeTensor } from '@blyan/model/formats/decode';
import { elements, storedRunLayout } from '@blyan/model/formats/layout';
import type { BlobStore } from '@blyan/store/blob-store';
import { loadTensor } from '@blyan/store/load';
import { type GgufTensor, type GgufValue, writeGguf } from './gguf.ts';

/** One block of Q4_0: [scale f16, 16 bytes]. */
const CODES = 32;
const SCALE_BYTES = 2;
const CODE_BYTES = 16;
const BLOCK_BYTES = SCALE_BYTES + CODE_BYTES;
/** Llama.cpp's token types. */
const NORMAL = 1;
const CONTROL = 3;

const NAMES: Record<string, string> = {
  'attention.norm': 'attn_norm',
  'attention.query': 'attn_q',
  'attention.key': 'attn_k',
  'attention.value': 'attn_v',
  'attention.output': 'attn_output',
  'attention.query_norm': 'attn_q_norm',
  'attention.key_norm': 'attn_k_norm',
  'mlp.norm': 'ffn_norm',
  'mlp.gate': 'ffn_gate',
  'mlp.up': 'ffn_up',
  'mlp.down': 'ffn_down',
};

export async function writeGgufModel(
  path: string,
  config: ModelConfig,
  model: VerifiedBlock<'model'>,
  { verifier, store }: { verifier: ChainVerifier; store: BlobStore },
): Promise<void> {
  const tensors: GgufTensor[] = [];
  for (const block of resolveModel(model, verifier)) {
    for (const descriptor of block.body.tensors) {
      const { name, shape, format } = descriptor;
      const matrix = format === 'q4';
      tensors.push({
        name: ggufName(block.body.group, descriptor),
        type: matrix ? 'q4_0' : 'f32',
        shape,
        byteLength: matrix ? (elements(shape) / CODES) * BLOCK_BYTES : elements(shape) * 4,
        async read() {
          const tensor = await loadTensor({ block, name }, { store, sources: [] });
          if (matrix) return toQ4_0(descriptor, tensor.bytes);
          return new Uint8Array(decodeTensor(descriptor, tensor.bytes).buffer);
        },
      });
    }
  }
  await writeGguf(path, metadata(config), tensors);
}

function ggufName(group: string, { name, role }: TensorDescriptor): string {
  if (group === 'embedding') return 'token_embd.weight';
  if (group === 'norm') return 'output_norm.weight';
  if (group === 'head') return 'output.weight';
  const known = NAMES[role];
  if (!known) throw new RangeError(`${name} has no name in a GGUF file`);
  return `blk.${group.slice('layer.'.length)}.${known}.weight`;
}

/** Ours: code 2i in the low half of byte i. Q4_0: codes 0 to 15 in the low halves, 16 to 31 in the high. */
function toQ4_0(descriptor: TensorDescriptor, bytes: Uint8Array): Uint8Array {
  const { rows, columns, block, blocks, blockBytes, dataBytes } = storedRunLayout(descriptor);
  if (columns % CODES !== 0) throw new RangeError(`${descriptor.name}: ${columns} columns`);
  const perRow = columns / CODES;
  const out = new Uint8Array(rows * perRow * BLOCK_BYTES);
  for (let index = 0; index < rows * perRow; index++) {
    const row = Math.floor(index / perRow);
    const column = (index % perRow) * CODES;
    // Blocks of a row follow on each other, so its codes do too.
    const from = row * blocks * blockBytes + column / 2;
    const scale = dataBytes + (row * blocks + Math.floor(column / block)) * SCALE_BYTES;
    const to = index * BLOCK_BYTES;
    out[to] = bytes[scale]!;
    out[to + 1] = bytes[scale + 1]!;
    for (let i = 0; i < CODE_BYTES / 2; i++) {
      const low = bytes[from + i]!;
      const high = bytes[from + CODE_BYTES / 2 + i]!;
      out[to + SCALE_BYTES + 2 * i] = (low & 15) | ((high & 15) << 4);
      out[to + SCALE_BYTES + 2 * i + 1] = (low >> 4) | (high & 240);
    }
  }
  return out;
}

function metadata(config: ModelConfig): Map<string, GgufValue> {
  const u32 = (value: number): GgufValue => ({ type: 'u32', value });
  const f32 = (value: number): GgufValue => ({ type: 'f32', value });
  const string = (value: string): GgufValue => ({ type: 'string', value });
  const { vocab } = config;
  // No text is tokenized; the vocabulary only has to be there, and as long as the embedding.
  const tokens = Array.from({ length: vocab }, (_, id) => `token${id}`);
  const types = Array.from({ length: vocab }, (_, id) => (id === vocab - 1 ? CONTROL : NORMAL));
  return new Map([
    ['general.architecture', string('qwen3')],
    ['general.name', string('random')],
    ['general.file_type', u32(2)],
    ['qwen3.block_count', u32(config.layers)],
    ['qwen3.context_length', u32(config.context)],
    ['qwen3.embedding_length', u32(config.hidden)],
    ['qwen3.feed_forward_length', u32(config.intermediate)],
    ['qwen3.attention.head_count', u32(config.heads)],
    ['qwen3.attention.head_count_kv', u32(config.kvHeads)],
    ['qwen3.attention.key_length', u32(config.headDim)],
    ['qwen3.attention.value_length', u32(config.headDim)],
    ['qwen3.attention.layer_norm_rms_epsilon', f32(config.normEpsilon)],
    ['qwen3.rope.freq_base', f32(config.rope.theta)],
    ['tokenizer.ggml.model', string('gpt2')],
    ['tokenizer.ggml.pre', string('qwen2')],
    ['tokenizer.ggml.tokens', { type: 'strings', value: tokens }],
    ['tokenizer.ggml.token_type', { type: 'i32s', value: types }],
    ['tokenizer.ggml.merges', { type: 'strings', value: ['t o'] }],
    ['tokenizer.ggml.eos_token_id', u32(vocab - 1)],
    ['tokenizer.ggml.add_bos_token', { type: 'bool', value: false }],
  ]);
}
