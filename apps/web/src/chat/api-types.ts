import type { inferRouterOutputs } from '@trpc/server';
import type { AppRouter } from '@/server/trpc/root';

type Outputs = inferRouterOutputs<AppRouter>;
export type ClusterState = Outputs['cluster']['status'];
export type ServedModel = Outputs['chain']['servedModel'];
