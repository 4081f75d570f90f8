/** A model that is on chain becomes the served one: it must be able to chat, which is tried here. */
import { ModelError } from '../errors.ts';
import type { ModelFiles } from '../files.ts';
import { createTemplate } from '../template.ts';
import { createTokenizer } from '../tokenizer.ts';

/** @throws ModelError FILE_MISSING, TOKENIZER_INVALID, TEMPLATE_INVALID, each naming what is wrong */
export function checkChat(files: ModelFiles): void {
  const { vocab } = files.config;
  if (files.tokenizer === null) throw missing('tokenizer.json', 'its text cannot be read');
  const tokenizer = createTokenizer(files);
  if (tokenizer.size > vocab) {
    const what = `ids up to ${tokenizer.size - 1}`;
    throw new ModelError(
      'TOKENIZER_INVALID',
      { what, vocab },
      `tokenizer.json has ${what}, but the embedding has ${vocab} rows (vocab_size of config.json).`,
    );
  }
  if (files.chatTemplate === null) {
    throw missing(
      'chat_template.jinja',
      'it is a base model, or its template (chat_template.jinja, chat_template.json or chat_template in tokenizer_config.json) was left out',
    );
  }
  const prompt = createTemplate(files).render([{ role: 'user', content: 'Hello' }], {
    addGenerationPrompt: true,
  });
  if (tokenizer.encode(prompt).length === 0) {
    const what = 'it renders "Hello" to nothing';
    throw new ModelError(
      'TEMPLATE_INVALID',
      { what },
      `The chat template cannot be used: ${what}.`,
    );
  }
}

const missing = (path: string, why: string) =>
  new ModelError(
    'FILE_MISSING',
    { path },
    `The checkpoint has no ${path}: ${why}. A model that cannot chat is not imported.`,
  );
