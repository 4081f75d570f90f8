/** Messages to the text that the model was trained on, by the checkpoint's own chat template. */
import { Template } from '@huggingface/jinja';
import { ModelError } from './errors.ts';
import type { ModelFiles } from './files.ts';

/** The longest published templates have about 20 KB. */
const MAX_TEMPLATE_CHARS = 256 * 1024;
/** Four times the largest request body: templates wrap each message in a few dozen characters. */
const MAX_RENDERED_CHARS = 4 * 1024 * 1024;

export interface ChatMessage {
  role: string;
  content: string;
}

export interface RenderOptions {
  /** Passed on as `enable_thinking`; absent leaves the choice to the template. */
  thinking?: boolean | undefined;
  /** Ends in the beginning of the assistant's turn. */
  addGenerationPrompt: boolean;
  /** Function definitions, as in the OpenAI API. */
  tools?: readonly Record<string, unknown>[] | undefined;
}

export interface ChatTemplate {
  /**
   * @throws ModelError TEMPLATE_INVALID when the template fails on these messages; templates refuse
   *   some, e.g. a conversation that begins with the assistant
   */
  render(messages: readonly ChatMessage[], options: RenderOptions): string;
}

/** @throws ModelError FILE_MISSING, TEMPLATE_INVALID */
export function createTemplate(
  files: Pick<ModelFiles, 'chatTemplate' | 'tokenizerConfig'>,
): ChatTemplate {
  const { chatTemplate: source, tokenizerConfig } = files;
  if (source === null) {
    const path = 'chat_template.jinja';
    throw new ModelError('FILE_MISSING', { path }, 'The checkpoint has no chat template.');
  }
  if (source.length > MAX_TEMPLATE_CHARS) throw invalid(`it has ${source.length} characters`);
  const template = guarded(() => new Template(source));
  const tokens = {
    bos_token: tokenText(tokenizerConfig.bos_token),
    eos_token: tokenText(tokenizerConfig.eos_token),
  };
  return {
    render(messages, { thinking, addGenerationPrompt, tools }) {
      const text = guarded(() =>
        template.render({
          ...tokens,
          messages,
          add_generation_prompt: addGenerationPrompt,
          ...(thinking === undefined ? {} : { enable_thinking: thinking }),
          ...(tools === undefined ? {} : { tools }),
        }),
      );
      if (text.length > MAX_RENDERED_CHARS) throw invalid(`it rendered ${text.length} characters`);
      return text;
    },
  };
}

/** tokenizer_config.json names a token as a string or as an object. */
function tokenText(token: unknown): string {
  if (typeof token === 'string') return token;
  const content = (token as { content?: unknown } | null | undefined)?.content;
  return typeof content === 'string' ? content : '';
}

function guarded<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    throw invalid(cause instanceof Error ? cause.message.slice(0, 300) : 'unknown reason', cause);
  }
}

const invalid = (what: string, cause?: unknown) =>
  new ModelError('TEMPLATE_INVALID', { what }, `The chat template cannot be used: ${what}`, cause);
