import { encode } from '@blyan/chain/codec';
import { toHex } from '@blyan/chain/hex';
import { readableBlock, toWire } from '@blyan/chain/json';
import type { SealedBlock } from '@blyan/chain/types';
import { BlockParams } from '@blyan/protocol/chain-api';
import { BlockQuery } from '@blyan/protocol/explorer';
import { readBlock } from '@/server/chain/read';
import { immutableBytes, immutableJson } from '@/server/http/bytes';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

const PARTS: Record<Exclude<BlockQuery['format'], 'json'>, (sealed: SealedBlock) => Uint8Array> = {
  cbor: ({ header, body, signature }) => encode({ header, body, signature }),
  header: ({ header }) => header,
  body: ({ body }) => body,
  signature: ({ signature }) => signature,
};

/** The block for people, and under `wire` its exact bytes; or bytes. By hash it can never change. */
export const GET = route({
  paramsSchema: BlockParams,
  querySchema: BlockQuery,
  async handler({ params: { id, ref }, query: { format }, request, ctx }) {
    const block = await readBlock(ctx, id, ref);
    const hash = toHex(block.hash);
    if (format === 'json') {
      const answer = { ...readableBlock(block), wire: toWire(block) };
      if (ref.length === 64) return immutableJson(request, `"${hash}"`, answer);
      return Response.json(answer, { headers: { 'cache-control': 'public, max-age=5' } });
    }
    const bytes = PARTS[format](block.sealed);
    const response = immutableBytes(request, {
      etag: `"${hash}-${format}"`,
      size: bytes.length,
      type: format === 'signature' ? 'application/octet-stream' : 'application/cbor',
      filename: `${id}${block.header.height}-${hash.slice(0, 8)}.${format}`,
      read: ({ start, end }) => bytes.subarray(start, end),
    });
    if (ref.length !== 64) response.headers.set('cache-control', 'public, max-age=5');
    return response;
  },
});

export const HEAD = GET;
