import { listAudit, MAX_AUDIT_PAGE } from '@blyan/db/audit-log';
import { z } from 'zod';
import { router } from '../init.ts';
import { adminProcedure } from './procedures.ts';

export const auditRouter = router({
  /** Newest first; `cursor` is the `next` of the page above. */
  list: adminProcedure
    .input(
      z.object({
        search: z.string().trim().max(100).optional(),
        action: z.string().max(64).optional(),
        actor: z.enum(['admin', 'node', 'command', 'system']).optional(),
        cursor: z.bigint().optional(),
        limit: z.number().int().min(1).max(MAX_AUDIT_PAGE).default(50),
      }),
    )
    .query(async ({ ctx, input: { cursor, limit, ...filter } }) => {
      return await listAudit(ctx.db, filter, { before: cursor, limit });
    }),
});
