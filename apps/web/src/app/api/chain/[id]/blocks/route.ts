import { BlocksQuery } from '@blyan/protocol/api';
import { ChainParams } from '@blyan/protocol/chain-api';
import { type BlockHead, readPage } from '@/server/chain/read';
import { csvOfList, wantsCsv } from '@/server/http/csv';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

const COLUMNS = {
  chain: (block: BlockHead) => block.chain,
  height: (block: BlockHead) => block.height,
  hash: (block: BlockHead) => block.hash,
  type: (block: BlockHead) => block.header.type,
  time: (block: BlockHead) => new Date(block.header.time).toISOString(),
  author: (block: BlockHead) => block.header.author,
  bodyLength: (block: BlockHead) => block.header.bodyLength,
  anchor: (block: BlockHead) => block.header.anchor,
};

/** With `bodies=1` each block is in the wire shape, as programs verify it; else headers for people. */
export const GET = route({
  paramsSchema: ChainParams,
  querySchema: BlocksQuery,
  async handler({ params, query, request, ctx }) {
    if (query.bodies || !wantsCsv(request, query.format)) {
      return await readPage(ctx.db, params.id, query);
    }
    return await csvOfList(request, {
      columns: COLUMNS,
      querySchema: BlocksQuery,
      cursor: query.from === undefined ? 'before' : 'from',
      async read(part) {
        const { blocks, next } = await readPage(ctx.db, params.id, part);
        return { rows: blocks as BlockHead[], next };
      },
    });
  },
});
