/** Numbers of the dispatch, with the reason beside each. */

/** Nodes on which one answer is tried: more would repeat what kills nodes. */
export const MAX_ATTEMPTS = 5;
/**
 * How long an answer waits when no node can serve it. A node's death is noticed after NODE_LOST_MS
 * (4 s), and every answer ends within 30 s of it; the rest is margin for a busy machine.
 */
export const NO_NODE_GRACE_MS = 20_000;
/** An attempt of which nothing was heard for so long is given up: a long prefill chunk takes 10 s. */
export const ATTEMPT_SILENT_MS = 45_000;
/**
 * The same behind a restart of Redis, which loses what was written in the last second: of an attempt whose
 * end was lost nothing more is heard. One that only reads a long prompt begins anew for nothing.
 */
export const DOUBTED_SILENT_MS = 5000;
/** Deadlines, silence and waiting are looked at this often. */
export const TICK_MS = 250;
/**
 * Ticks so far apart say that we stood still ourselves: heartbeats may lie unread. Far below
 * NODE_LOST_MS less a heartbeat, so that no standstill goes unnoticed that could cost a node.
 */
export const LATE_TICK_MS = 500;
/** Pause before an answer is tried again on the node that just failed it, per failure. */
export const RETRY_PAUSE_MS = 300;
/**
 * A place in the line is told this often: it changes with every answer that ends, for all that wait, and
 * with a hundred clients most of what went through the streams were places.
 */
export const QUEUED_PHASE_MS = 1000;
/** Prefill progress is passed on this often. */
export const PREFILL_PHASE_MS = 250;
/** The cluster status is written this often; readers take 4 s of silence as "no coordinator". */
export const STATUS_MS = 1000;
/** Leases of nodes that have ended are looked for this often: a revoked key cuts within a second. */
export const ACCESS_MS = 250;
/** Rows that the intake queue lost, flags whose message was lost, new nodes: looked for this often. */
export const POLL_MS = 3000;
/** Streams of nodes are shortened, and what is left in their queues is removed, this often. */
export const NODE_SWEEP_MS = 60_000;
/** Old requests are purged this often. */
export const SWEEP_MS = 10 * 60_000;
/** Rows deleted in one statement. */
export const SWEEP_BATCH = 500;
/**
 * A node that was silent for so long, here and at the web app, is no longer listened to, and nothing is kept
 * in mind of it: every read names all nodes that are. One that registers or renews its lease is known again.
 */
export const NODE_FORGOTTEN_MS = 3600_000;
/** A plan is looked at again this often although no node came or went: measurements change. */
export const REPLAN_MS = 10_000;
/**
 * A plan is left for one that is worth more only when that was so for this long: speeds that were measured
 * while the machines were busy made two nodes change their places every few seconds.
 */
export const GAIN_LASTS_MS = 60_000;
/** Pause before an assignment that could not be written is written again, or told again. */
export const ASSIGN_RETRY_MS = 3000;
/**
 * After a change of leaders, heartbeats of all nodes are waited for so long before a plan is made, and
 * members of an assigned pipeline may be unheard for so long: three heartbeats.
 */
export const HEARING_MS = 3000;
/** A member of a pipeline that says that it is loading, and has come no further for so long, is stuck. */
export const FORMING_STUCK_MS = 5 * 60_000;
/**
 * A leader that Redis has not answered for so long lets another one try. Longer than a restart takes: what
 * has lost Redis for all gains nothing from another leader.
 */
export const REDIS_SILENT_MS = 15_000;
/** Pause before a row or a stream is tried again when Postgres or Redis fails. */
export const STORE_RETRY_MS = 500;
/** The end of an answer is tried so often; after that the next start completes it. */
export const STORE_TRIES = 20;
/**
 * A leader that did not renew its lease for so long may be replaced. Four renewals: a busy machine
 * delays one, and where nobody stands by a lapsed lease just goes on.
 */
export const LEASE_MS = 3000;
export const LEASE_RENEW_MS = 750;
/** Whoever stands by looks this often: one statement each time. */
export const STANDBY_MS = 250;
