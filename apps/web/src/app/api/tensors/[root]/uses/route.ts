import { BlobParams } from '@blyan/protocol/chain-api';
import { type TensorUse, TensorUsesQuery } from '@blyan/protocol/explorer';
import { readUses } from '@/server/explorer/tensors';
import { csvOfList, wantsCsv } from '@/server/http/csv';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

const COLUMNS = {
  height: (use: TensorUse) => use.height,
  block: (use: TensorUse) => use.block,
  group: (use: TensorUse) => use.group,
  name: (use: TensorUse) => use.name,
};

/** All layer blocks that hold a tensor. */
export const GET = route({
  paramsSchema: BlobParams,
  querySchema: TensorUsesQuery,
  async handler({ params: { root }, query, request, ctx }) {
    if (!wantsCsv(request, query.format)) return await readUses(ctx.db, root, query);
    return await csvOfList(request, {
      columns: COLUMNS,
      querySchema: TensorUsesQuery,
      cursor: 'cursor',
      async read(part) {
        const { uses: rows, next } = await readUses(ctx.db, root, part);
        return { rows, next };
      },
    });
  },
});
