import type { inferRouterOutputs } from '@trpc/server';
import type { AppRouter } from '@/server/trpc/root';

export type Key = inferRouterOutputs<AppRouter>['admin']['keys']['list'][number];
