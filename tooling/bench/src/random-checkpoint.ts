/**
 * A checkpoint with random weights in a published shape, so that speed can be measured at real sizes
 * without downloading anything. Weights are bf16, uniform around zero with the usual scale of an
 * initialised transformer; the tokenizer and template are those of the embedded model (the rows of
 * the embedding beyond its vocabulary are spare, as in published checkpoints).
 */
import { copyFile, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface Shape {
  layers: number;
  hidden: number;
  heads: number;
  kvHeads: number;
  headDim: number;
  intermediate: number;
  vocab: number;
  context: number;
  tied: boolean;
}

/** As published for Qwen3-0.6B. */
export const QWEN3_0_6B: Shape = {
  layers: 28,
  hidden: 1024,
  heads: 16,
  kvHeads: 8,
  headDim: 128,
  intermediate: 3072,
  vocab: 151936,
  context: 40960,
  tied: true,
};

const TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json', 'chat_template.jinja'];

/** Names and shapes in the order of the file. */
function tensors(shape: Shape): { name: string; dims: number[] }[] {
  const { hidden, heads, kvHeads, headDim, intermediate } = shape;
  const list = [{ name: 'model.embed_tokens.weight', dims: [shape.vocab, hidden] }];
  for (let layer = 0; layer < shape.layers; layer++) {
    const add = (name: string, ...dims: number[]) =>
      list.push({ name: `model.layers.${layer}.${name}.weight`, dims });
    add('input_layernorm', hidden);
    add('self_attn.q_proj', heads * headDim, hidden);
    add('self_attn.k_proj', kvHeads * headDim, hidden);
    add('self_attn.v_proj', kvHeads * headDim, hidden);
    add('self_attn.o_proj', hidden, heads * headDim);
    add('self_attn.q_norm', headDim);
    add('self_attn.k_norm', headDim);
    add('post_attention_layernorm', hidden);
    add('mlp.gate_proj', intermediate, hidden);
    add('mlp.up_proj', intermediate, hidden);
    add('mlp.down_proj', hidden, intermediate);
  }
  list.push({ name: 'model.norm.weight', dims: [hidden] });
  if (!shape.tied) list.push({ name: 'lm_head.weight', dims: [shape.vocab, hidden] });
  return list;
}

/** Writes `model.safetensors`, config and tokenizer files into `dir`; the same seed gives the same bytes. */
export async function writeRandomCheckpoint(
  dir: string,
  shape: Shape,
  options: { tokenizerDir: string; seed?: number },
): Promise<{ bytes: number }> {
  await mkdir(dir, { recursive: true });
  const list = tensors(shape);
  const header: Record<string, unknown> = {};
  let offset = 0;
  for (const { name, dims } of list) {
    const length = dims.reduce((a, b) => a * b, 1) * 2;
    header[name] = { dtype: 'BF16', shape: dims, data_offsets: [offset, offset + length] };
    offset += length;
  }
  const json = Buffer.from(JSON.stringify(header));
  const padded = Buffer.concat([json, Buffer.alloc((8 - (json.length % 8)) % 8, ' ')]);
  const prefix = Buffer.alloc(8);
  prefix.writeBigUInt64LE(BigInt(padded.length));

  const random = xorshift32(options.seed ?? 1);
  await using file = await open(join(dir, 'model.safetensors'), 'w');
  await file.write(Buffer.concat([prefix, padded]));
  for (const { dims } of list) {
    const count = dims.reduce((a, b) => a * b, 1);
    const norm = dims.length === 1;
    const step = 4 * 1024 * 1024;
    for (let at = 0; at < count; at += step) {
      const values = new Uint16Array(Math.min(step, count - at));
      if (norm) values.fill(BF16_ONE);
      else for (let i = 0; i < values.length; i++) values[i] = smallBf16(random());
      await file.write(new Uint8Array(values.buffer));
    }
  }
  await writeFile(join(dir, 'config.json'), JSON.stringify(config(shape), null, 2));
  for (const name of TOKENIZER_FILES)
    await copyFile(join(options.tokenizerDir, name), join(dir, name));
  const source = JSON.parse(await readFile(join(options.tokenizerDir, 'config.json'), 'utf8'));
  const generation = { eos_token_id: source.eos_token_id, bos_token_id: source.bos_token_id };
  await writeFile(join(dir, 'generation_config.json'), JSON.stringify(generation, null, 2));
  return { bytes: offset + 8 + padded.length };
}

const BF16_ONE = 0x3f80;

/** Sign, exponent 2^-6 .. 2^-9, 7 mantissa bits: values of magnitude up to 0.03. */
function smallBf16(bits: number): number {
  const exponent = 118 + (bits & 3);
  return (((bits >>> 8) & 1) << 15) | (exponent << 7) | ((bits >>> 16) & 0x7f);
}

function xorshift32(seed: number): () => number {
  let x = seed | 0 || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x;
  };
}

function config(shape: Shape) {
  return {
    architectures: ['Qwen3ForCausalLM'],
    model_type: 'qwen3',
    attention_bias: false,
    head_dim: shape.headDim,
    hidden_act: 'silu',
    hidden_size: shape.hidden,
    intermediate_size: shape.intermediate,
    max_position_embeddings: shape.context,
    num_attention_heads: shape.heads,
    num_hidden_layers: shape.layers,
    num_key_value_heads: shape.kvHeads,
    rms_norm_eps: 1e-6,
    rope_scaling: null,
    rope_theta: 1000000,
    sliding_window: null,
    tie_word_embeddings: shape.tied,
    torch_dtype: 'bfloat16',
    use_sliding_window: false,
    vocab_size: shape.vocab,
  };
}
