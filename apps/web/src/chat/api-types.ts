import type { inferRouterOutputs } from '@trpc/server';
import type { AppRouter } from '@/server/trpc/root';

type Outputs = inferRouterOutputs<AppRouter>;
export type ClusterState = Outputs['cluster']['status'];
export type ServedModel = Outputs['chain']['servedModel'];
export type ConversationView = Outputs['conversations']['get'];
export type SharedView = Outputs['conversations']['shared'];
export type Defaults = Outputs['answers']['defaults'];
/** For how long what is kept, as this server is configured. */
export interface Retention {
  hours: number;
  conversationDays: number;
}
