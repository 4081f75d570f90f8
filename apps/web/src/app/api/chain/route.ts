import { toHex } from '@blyan/chain/hex';
import { chainSummary } from '@blyan/db/explorer';
import type { ChainSummary } from '@blyan/protocol/explorer';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** Height, size and authors of every chain. */
export const GET = route({
  async handler({ ctx }) {
    const found = await Promise.all(
      (['A', 'B', 'L'] as const).map((chain) => chainSummary(ctx.db, chain)),
    );
    const chains = found.flatMap((summary): ChainSummary[] =>
      summary
        ? [
            {
              chain: summary.chain,
              size: summary.size,
              head: toHex(summary.hash),
              bytes: Number(summary.bytes),
              authors: summary.authors.map(toHex),
            },
          ]
        : [],
    );
    return { chains };
  },
});
