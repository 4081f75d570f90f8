import type { BlockRef, Receipt, Usage } from '@blyan/protocol/answer';
import type { ApiUsage, Provenance } from '@blyan/protocol/api';

const receiptPath = (id: string) => `/explorer/receipt/${id}`;

/** The summary of a receipt that goes out with every answer. */
export function provenanceOf(receipt: Receipt): Provenance {
  const { layerBlocks, timings } = receipt;
  const nowhere = { ...(receipt.model.block satisfies BlockRef), group: 'model' };
  return {
    genesis: receipt.genesis,
    model: receipt.model,
    layers: {
      count: layerBlocks.length,
      first: layerBlocks[0] ?? nowhere,
      last: layerBlocks.at(-1) ?? nowhere,
    },
    nodes: receipt.nodes.map(({ id, layers }) => ({ id, layers })),
    seed: receipt.params.seed,
    tokens_per_second: timings.tokensPerSecond,
    first_token_ms: timings.firstTokenMs,
    total_ms: timings.totalMs,
    receipt: receiptPath(receipt.requestId),
  };
}

export function apiUsage({ promptTokens, completionTokens }: Usage): ApiUsage {
  return {
    prompt_tokens: promptTokens,
    completion_tokens: completionTokens,
    total_tokens: promptTokens + completionTokens,
  };
}
