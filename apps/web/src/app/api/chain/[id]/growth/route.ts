import { chainGrowth } from '@blyan/db/explorer';
import { ChainParams } from '@blyan/protocol/chain-api';
import { GrowthQuery } from '@blyan/protocol/explorer';
import { csvResponse, wantsCsv } from '@/server/http/csv';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

type Point = { time: number; size: number };
const COLUMNS = {
  time: (point: Point) => new Date(point.time).toISOString(),
  size: (point: Point) => point.size,
};

/** Number of blocks over time. */
export const GET = route({
  paramsSchema: ChainParams,
  querySchema: GrowthQuery,
  async handler({ params: { id }, query, request, ctx }) {
    const points = await chainGrowth(ctx.db, id, query.points);
    if (wantsCsv(request, query.format)) return csvResponse(COLUMNS, points);
    return { chain: id, points };
  },
});
