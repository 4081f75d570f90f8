import type { inferRouterOutputs } from '@trpc/server';
import type { AppRouter } from '@/server/trpc/root';

export type Entry = inferRouterOutputs<AppRouter>['admin']['audit']['list']['entries'][number];
