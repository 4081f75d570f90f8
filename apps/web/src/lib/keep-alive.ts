/**
 * How often a stream of events says something, if only a comment: proxies cut connections that are silent
 * for 30 to 60 seconds.
 */
export const KEEP_ALIVE_MS = 15_000;
