import { headers } from 'next/headers';
import { adminRouter } from './admin/router.ts';
import { answersRouter } from './answers.ts';
import { chainRouter } from './chain.ts';
import { clusterRouter } from './cluster.ts';
import { conversationsRouter } from './conversations.ts';
import { createCaller, pageContext, router } from './init.ts';

export const appRouter = router({
  admin: adminRouter,
  answers: answersRouter,
  chain: chainRouter,
  cluster: clusterRouter,
  conversations: conversationsRouter,
});
export type AppRouter = typeof appRouter;

/** The same procedures for server components, without HTTP. */
export const api = createCaller(appRouter)(async () =>
  pageContext((await headers()).get('cookie')),
);
