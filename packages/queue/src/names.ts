/** Every Redis name of the product, in one place. */

/** Ids of new requests, for the coordinator. BullMQ queue under INTAKE_PREFIX. */
export const INTAKE_QUEUE = 'intake';
export const INTAKE_PREFIX = 'blyan';
/** BullMQ's notes on its jobs, by their ids. Nobody reads them. */
export const INTAKE_EVENTS = `${INTAKE_PREFIX}:${INTAKE_QUEUE}:events`;
/** Pub/sub to the coordinator: `{type:'cancel', requestId}`. */
export const COORDINATOR_CHANNEL = 'blyan:coordinator';
/** ClusterStatus, written by the coordinator, expiring. */
export const CLUSTER_KEY = 'blyan:cluster';
/** Number of the leading coordinator's term: earlier ones may not write. */
export const TERM_KEY = 'blyan:term';

/** Counters of limits, expiring. */
export const LIMIT_PREFIX = 'blyan:limit';
/** Secret of the challenges and leases of nodes, made by the first web app; no node may read it. */
export const GATE_SECRET_KEY = 'blyan:gate:secret';
/** Counters and marks of registrations, expiring. */
export const gateKey = (name: string) => `blyan:gate:${name}`;

/** Everything of one node lives under this prefix, so that one ACL pattern covers it. */
export const nodePrefix = (nodeId: string) => `blyan:node:${nodeId}`;
/** BullMQ queue of the node's jobs, under its prefix. */
export const NODE_QUEUE = 'jobs';
/** A key of that queue, by BullMQ's name for it: `wait`, `active`, or a job's id. */
export const nodeQueueKey = (nodeId: string, name: string) =>
  `${nodePrefix(nodeId)}:${NODE_QUEUE}:${name}`;
/** As INTAKE_EVENTS. */
export const nodeQueueEvents = (nodeId: string) => nodeQueueKey(nodeId, 'events');
/** Stream of NodeEvents that the node writes. */
export const nodeStream = (nodeId: string) => `${nodePrefix(nodeId)}:out`;
/** Pub/sub of NodeControl messages to the node. */
export const nodeControl = (nodeId: string) => `${nodePrefix(nodeId)}:control`;

/** Assignment of the node, JSON; written by the coordinator. */
export const nodeAssignment = (nodeId: string) => `${nodePrefix(nodeId)}:assignment`;
/** Pub/sub of frames between the stages of one assignment: a channel for each receiving node. */
export const stageChannels = (assignmentId: string) => `blyan:stage:${assignmentId}`;

/** Canonical stream of an answer; also the channel of its wake-ups. */
export const answerStream = (requestId: string) => `gen:${requestId}`;

/** Tries to prove who one is, counted by address or account; expiring. */
export const attemptCounter = (bucket: string) => `blyan:attempts:${bucket}`;
