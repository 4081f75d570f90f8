/** Whether an answer is possible now, in words that a reader can act on. */
import type { ClusterStatus } from '@blyan/protocol/cluster';
import { readCluster } from '@blyan/queue/cluster';
import type { Redis } from '@blyan/queue/connection';
import { type ApiError, unavailable } from './http/errors.ts';

/** The coordinator writes its view every second. */
const FRESH_MS = 5000;

/** What a node does with its weights, and how much of it is done, where that is known. */
interface Loading {
  phase: keyof typeof PHASES;
  percent: number | null;
}

/** Shown where a worker is missing. */
const START_COMMAND = 'npm start';

export type Availability =
  | { state: 'ready'; nodes: number }
  /** A node is loading the model: requests are accepted and wait. */
  | { state: 'loading'; progress: Loading | null }
  /** `command`: what puts it right, when a command does. */
  | { state: 'unavailable'; code: string; reason: string; command: string | null };

type Node = ClusterStatus['nodes'][number];

export async function freshCluster(redis: Redis): Promise<ClusterStatus | null> {
  const status = await readCluster(redis);
  return status && Date.now() - status.at < FRESH_MS ? status : null;
}

/** Live nodes that can answer with a model now: of a pipeline its head, once all of it is ready. */
const readyNodes = (cluster: ClusterStatus): Node[] =>
  cluster.nodes.filter((node) => node.alive && node.serving);

/** Hex hashes of the model blocks that can answer now. */
export function servedHashes(cluster: ClusterStatus | null): Set<string> {
  const ready = cluster ? readyNodes(cluster) : [];
  return new Set(ready.flatMap(({ status }) => status.model ?? []));
}

/** `model` is the hex hash of the model block. */
export function availability(cluster: ClusterStatus | null, model: string): Availability {
  if (!cluster)
    return {
      state: 'unavailable',
      code: 'coordinator_unavailable',
      reason: 'The coordinator is not running, so nobody hands questions to workers.',
      command: START_COMMAND,
    };
  const alive = cluster.nodes.filter((node) => node.alive);
  const ready = readyNodes(cluster).filter(({ status }) => status.model === model);
  if (ready.length > 0) return { state: 'ready', nodes: ready.length };
  const loading = alive.find(
    ({ status, serving }) =>
      (status.model ?? model) === model && !serving && isOnItsWay(status.state),
  );
  if (loading) return { state: 'loading', progress: progressOf(loading) };
  const failed = alive.filter((node) => node.status.state === 'failed');
  if (failed.length > 0)
    return {
      state: 'unavailable',
      code: 'model_unavailable',
      reason: `The model cannot be served. ${failed.map(describeFailure).join(' ')}`,
      command: null,
    };
  const other = readyNodes(cluster).length > 0;
  return {
    state: 'unavailable',
    code: other ? 'model_not_served' : 'no_worker',
    reason: other ? 'No running worker serves this model.' : 'No worker is running.',
    command: START_COMMAND,
  };
}

/** Waiting for an assignment, loading it, or for the other stages of a pipeline. */
const isOnItsWay = (state: Node['status']['state']): boolean =>
  state === 'idle' || state === 'loading' || state === 'ready';

type Unavailable = Extract<Availability, { state: 'unavailable' }>;

/** The reason with what to do about it, as one text. */
export const describe = ({ reason, command }: Unavailable): string =>
  command ? `${reason} Start what is missing with: ${command}` : reason;

export const unavailableError = (state: Unavailable): ApiError =>
  unavailable(state.code, describe(state));

const describeFailure = ({ id, status }: Node): string =>
  `Worker ${id}: ${status.failure?.message ?? 'failed without saying why'} (${status.failure?.code ?? 'unknown'}).`;

const PHASES = {
  sync: 'reading the chain',
  fetch: 'fetching weights',
  verify: 'verifying weights',
  build: 'building the model',
} as const;

function progressOf({ status: { progress } }: Node): Loading | null {
  if (!progress) return null;
  const { phase, done, total } = progress;
  return { phase, percent: total > 0 ? Math.floor((100 * done) / total) : null };
}

export const describeLoading = ({ phase, percent }: Loading): string =>
  percent === null ? PHASES[phase] : `${PHASES[phase]}, ${percent}%`;
