/** The receipt of an answer: which blocks, nodes and parameters made it. See docs/receipts.md. */
import { createHash, randomBytes } from 'node:crypto';
import type { Receipt } from '@blyan/protocol/answer';
import type { Answer } from './answer.ts';

/** First bytes of what is hashed, so that the hash means nothing anywhere else. */
const DOMAIN = 'blyan/receipt-tokens/v1\n';

/**
 * SHA-256 over domain, salt, number of prompt ids, prompt ids, number of output ids, output ids;
 * every number as u32 little endian. The salt keeps short answers from being guessed.
 */
export function tokensHash(salt: Uint8Array, prompt: number[], output: number[]): string {
  const hash = createHash('sha256').update(DOMAIN).update(salt);
  for (const ids of [prompt, output]) {
    hash.update(littleEndian([ids.length])).update(littleEndian(ids));
  }
  return hash.digest('hex');
}

function littleEndian(values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, i) => {
    view.setUint32(4 * i, value, true);
  });
  return bytes;
}

export function makeReceipt(
  answer: Answer,
  finishReason: Receipt['finishReason'],
  now: number,
): Receipt {
  const { input, model, tokens } = answer;
  const salt = randomBytes(32);
  return {
    v: 1,
    requestId: input.id,
    genesis: model.genesis,
    model: { name: model.name, block: model.block },
    layerBlocks: model.layerBlocks,
    nodes: writers(answer),
    params: input.params,
    tokens: { salt: salt.toString('hex'), hash: tokensHash(salt, input.prompt, tokens) },
    usage: { promptTokens: input.prompt.length, completionTokens: tokens.length },
    finishReason,
    timings: timings(answer, now),
    createdAt: now,
  };
}

/** The attempts that wrote something, each with its part; of a pipeline each stage. */
function writers({ segments, tokens, model }: Answer): Receipt['nodes'] {
  return segments.flatMap(({ attempt, nodeId, position, layers, numerics, stages }, i) => {
    const end = segments[i + 1]?.position ?? tokens.length;
    if (end <= position || !numerics) return [];
    const positions: [number, number] = [position, end];
    if (stages)
      return stages.map(({ nodeId: id, ...stage }) => ({ id, attempt, ...stage, positions }));
    return [{ id: nodeId, attempt, layers: layers ?? [0, model.layers - 1], numerics, positions }];
  });
}

function timings(answer: Answer, now: number): Receipt['timings'] {
  const { input, startedAt, firstTokenAt, lastTokenAt, firstCount, tokens } = answer;
  const since = (at: number) => Math.max(0, at - input.createdAt);
  const decodeMs = firstTokenAt === null || lastTokenAt === null ? 0 : lastTokenAt - firstTokenAt;
  return {
    queuedMs: since(startedAt ?? now),
    firstTokenMs: firstTokenAt === null ? null : since(firstTokenAt),
    totalMs: since(now),
    tokensPerSecond: decodeMs > 0 ? ((tokens.length - firstCount) * 1000) / decodeMs : null,
  };
}
