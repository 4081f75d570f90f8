/** What one text can mean, as a list that a page shows from top to bottom. */
import { toHex } from '@blyan/chain/hex';
import type { Db } from '@blyan/db/client';
import { searchAll } from '@blyan/db/search';
import type { SearchAnswer, SearchResult } from '@blyan/protocol/explorer';
import { modelSummary, tensorSummary } from './shapes.ts';

export async function search(db: Db, query: string): Promise<SearchAnswer> {
  const found = await searchAll(db, query);
  const results: SearchResult[] = [
    ...found.blocks.map(
      (block) =>
        ({
          type: 'block',
          chain: block.chain,
          height: block.height,
          hash: toHex(block.hash),
          blockType: block.type,
          time: Number(block.time),
        }) as const,
    ),
    ...found.models.map((row) => ({ type: 'model' as const, ...modelSummary(row) })),
    ...found.layers.map((layer) => ({
      ...layer,
      type: 'layer' as const,
      modelHash: toHex(layer.modelHash),
      block: toHex(layer.block),
    })),
    ...found.files.map((file) => ({
      ...file,
      type: 'file' as const,
      sha256: toHex(file.sha256),
      modelHash: toHex(file.modelHash),
    })),
    ...found.tensors.map((row) => ({ type: 'tensor' as const, ...tensorSummary(row) })),
    ...found.nodes.map(({ id }) => ({ type: 'node' as const, id })),
    ...(found.receipt ? [{ type: 'receipt' as const, id: found.receipt }] : []),
  ];
  return { query, results, message: results.length > 0 ? null : nothingMatches(query) };
}

function nothingMatches(query: string): string {
  const isHash = /^[0-9a-f]{16,64}$/i.test(query);
  const known = isHash
    ? 'hashes of blocks, Merkle roots of tensors and SHA-256 of files of models are known here, and none begins so.'
    : 'no height, no hash that begins so, no tensor, layer, model, node or receipt of that name.';
  return `Nothing matches "${query}": ${known}`;
}
