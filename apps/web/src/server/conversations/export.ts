/** A conversation as a file. */
import { joinParts, pathTo, turnsOf } from '../../lib/tree.ts';
import type { ConversationView } from './read.ts';

export const EXPORT_FORMATS = ['markdown', 'json'] as const;
export type ExportFormat = (typeof EXPORT_FORMATS)[number];

/** Markdown has the branch that is read; JSON has the whole tree with all that is known of it. */
export function exportConversation(
  conversation: ConversationView,
  format: ExportFormat,
): { name: string; type: string; text: string } {
  const base = conversation.title.replace(/[^\p{L}\p{N}]+/gu, '-').replace(/^-|-$/g, '');
  const name = base.slice(0, 60) || 'conversation';
  if (format === 'json') {
    const { shareToken, ...kept } = conversation;
    const text = `${JSON.stringify({ format: 'blyan.conversation.v1', ...kept }, null, 2)}\n`;
    return { name: `${name}.json`, type: 'application/json', text };
  }
  return { name: `${name}.md`, type: 'text/markdown', text: markdownOf(conversation) };
}

function markdownOf({ title, head, messages }: ConversationView): string {
  const nodes = new Map(messages.map((message) => [message.id, message]));
  const blocks = [`# ${title}`];
  for (const { role, parts } of turnsOf(pathTo(nodes, head))) {
    const text = joinParts(parts.map((part) => part.text));
    blocks.push(role === 'user' ? '## You' : '## Answer', text);
    const provenance = parts.at(-1)?.answer?.provenance;
    if (!provenance) continue;
    const { model, seed, receipt } = provenance;
    blocks.push(
      `_${model.name}, model block ${model.block.chain} ${model.block.height} (${model.block.hash}), seed ${seed}, receipt ${receipt}_`,
    );
  }
  return `${blocks.join('\n\n')}\n`;
}
