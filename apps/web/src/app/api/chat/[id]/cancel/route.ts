import { CancelParams } from '@blyan/protocol/api';
import { cancel } from '@/server/answers/ask';
import { notFound } from '@/server/http/errors';
import { route } from '@/server/http/route';

export const dynamic = 'force-dynamic';

/** Stops the worker; the answer ends with what was written. Cancelling a finished one is harmless. */
export const POST = route({
  paramsSchema: CancelParams,
  async handler({ params, ctx }) {
    if (!(await cancel(params.id, ctx)))
      throw notFound('answer_not_found', 'There is no answer with this id.', 'id');
    return { id: params.id, cancelled: true };
  },
});
