import { adminRouter } from './admin/router.ts';
import { answersRouter } from './answers.ts';
import { chainRouter } from './chain.ts';
import { clusterRouter } from './cluster.ts';
import { createCaller, createTrpcContext, router } from './init.ts';

export const appRouter = router({
  admin: adminRouter,
  answers: answersRouter,
  chain: chainRouter,
  cluster: clusterRouter,
});
export type AppRouter = typeof appRouter;

/** The same procedures for server components, without HTTP. */
export const api = createCaller(appRouter)(() => createTrpcContext());
