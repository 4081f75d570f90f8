/** What was found, as lines to choose from. */
import type { SearchResult } from '@blyan/protocol/explorer';
import { TYPE_TEXT } from '@/components/explorer/chains';
import { blockHref, modelHref, nodeHref, receiptHref, tensorHref } from '@/lib/explorer-links';
import { formatParameters } from '@/lib/format';
import { shortHash } from '@/lib/hash';

export interface Line {
  type: SearchResult['type'];
  title: string;
  detail: string;
  href: string;
}

export function lineOf(result: SearchResult): Line {
  const { type } = result;
  switch (type) {
    case 'block':
      return {
        type,
        title: `${result.chain} ${result.height}`,
        detail: `${TYPE_TEXT[result.blockType] ?? result.blockType}, ${shortHash(result.hash)}`,
        href: blockHref(result.chain, result.hash),
      };
    case 'model':
      return {
        type,
        title: result.name,
        detail: `${formatParameters(result.parameters)} weights, ${result.recipe}, block A ${result.height}`,
        href: modelHref(result.hash),
      };
    case 'layer':
      return {
        type,
        title: result.group,
        detail: `of ${result.model}`,
        href: blockHref('B', result.block),
      };
    case 'file':
      return {
        type,
        title: result.path,
        detail: `${result.source ? 'source of' : 'of'} ${result.model}, ${shortHash(result.sha256)}`,
        href: modelHref(result.modelHash),
      };
    case 'tensor':
      return {
        type,
        title: result.name,
        detail: `${result.shape.join(' × ')}, ${result.format}, ${shortHash(result.root)}`,
        href: tensorHref(result.root),
      };
    case 'node':
      return {
        type,
        title: result.id,
        detail: 'a worker that has registered here',
        href: nodeHref(result.id),
      };
    case 'receipt':
      return { type, title: shortHash(result.id), detail: 'receipt', href: receiptHref(result.id) };
  }
}
