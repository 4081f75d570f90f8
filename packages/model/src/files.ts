/**
 * The small files of a checkpoint (configuration, tokenizer, chat template), as the import stores
 * them and as everybody who serves the model reads them from verified bytes.
 */
import {
  type GenerationConfig,
  type ModelConfig,
  parseConfig,
  parseGenerationConfig,
} from './config.ts';
import { ModelError } from './errors.ts';
import { parseJson } from './json.ts';

/** Kept on chain when the checkpoint has them; the first is required. In this order in the block. */
export const MODEL_FILES = [
  'config.json',
  'generation_config.json',
  'tokenizer.json',
  'tokenizer_config.json',
  'chat_template.jinja',
  'chat_template.json',
] as const;

/** The largest published tokenizer.json files have about 35 MB. */
export const MAX_MODEL_FILE_BYTES = 64 * 1024 * 1024;
/** Configurations nest three or four levels deep, tokenizers up to about eight. */
const MAX_DEPTH = 64;

export interface ModelFiles {
  config: ModelConfig;
  generation: GenerationConfig;
  /** Parsed tokenizer.json; null when the checkpoint has none, and then it cannot be chatted with. */
  tokenizer: Record<string, unknown> | null;
  /** Parsed tokenizer_config.json; empty when there is none. */
  tokenizerConfig: Record<string, unknown>;
  /** Source of the chat template in Jinja; null when there is none. */
  chatTemplate: string | null;
}

/**
 * @param files bytes by path, as in a model block's `files` (verified by whoever calls)
 * @throws ModelError FILE_MISSING, FILE_TOO_LARGE, JSON_*, CONFIG_INVALID, *_UNSUPPORTED
 */
export function readModelFiles(files: ReadonlyMap<string, Uint8Array>): ModelFiles {
  const object = (path: string): Record<string, unknown> | null => {
    const bytes = files.get(path);
    if (bytes === undefined) return null;
    const value = parseJson(bounded(path, bytes), { path, maxDepth: MAX_DEPTH });
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new ModelError('JSON_INVALID', { path }, `${path}: expected a JSON object.`);
    }
    return value as Record<string, unknown>;
  };
  const rawConfig = object('config.json');
  if (rawConfig === null) {
    throw new ModelError('FILE_MISSING', { path: 'config.json' }, 'There is no config.json.');
  }
  const config = parseConfig(rawConfig);
  const tokenizerConfig = object('tokenizer_config.json') ?? {};
  return {
    config,
    generation: parseGenerationConfig(rawConfig, object('generation_config.json'), config.vocab),
    tokenizer: object('tokenizer.json'),
    tokenizerConfig,
    chatTemplate: readTemplate(files, object('chat_template.json'), tokenizerConfig),
  };
}

/** chat_template.jinja, else chat_template.json, else the field of tokenizer_config.json. */
function readTemplate(
  files: ReadonlyMap<string, Uint8Array>,
  json: Record<string, unknown> | null,
  tokenizerConfig: Record<string, unknown>,
): string | null {
  const path = 'chat_template.jinja';
  const bytes = files.get(path);
  if (bytes !== undefined) return utf8(path, bounded(path, bytes));
  const template = json?.chat_template ?? tokenizerConfig.chat_template ?? null;
  if (template === null || typeof template === 'string') return template;
  // Several named templates: the one for plain chat.
  const named = Array.isArray(template)
    ? template.find((entry) => entry?.name === 'default')
    : null;
  if (typeof named?.template === 'string') return named.template;
  throw new ModelError(
    'TEMPLATE_INVALID',
    {},
    'chat_template is neither text nor a list with one that is named "default".',
  );
}

function bounded(path: string, bytes: Uint8Array): Uint8Array {
  if (bytes.byteLength <= MAX_MODEL_FILE_BYTES) return bytes;
  throw new ModelError(
    'FILE_TOO_LARGE',
    { path, byteLength: bytes.byteLength, max: MAX_MODEL_FILE_BYTES },
    `${path} has ${bytes.byteLength} bytes; at most ${MAX_MODEL_FILE_BYTES} are read.`,
  );
}

function utf8(path: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new ModelError('TEMPLATE_INVALID', { path }, `${path} is not UTF-8.`, error);
  }
}
