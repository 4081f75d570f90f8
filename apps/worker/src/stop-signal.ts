/** What ends this process, and how: drained, or at once. */

export interface StopSignals extends Disposable {
  /** Aborts at the first request to stop: take nothing new, finish what runs. */
  drain: AbortSignal;
  /** Aborts at the second request, or when the supervisor is gone: end now. */
  force: AbortSignal;
}

export function stopSignals(): StopSignals {
  const drain = new AbortController();
  const force = new AbortController();
  const signalled = () => {
    if (drain.signal.aborted) force.abort();
    drain.abort();
  };
  const orphaned = () => {
    drain.abort();
    force.abort();
  };
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, signalled);
  process.on('disconnect', orphaned);
  return {
    drain: drain.signal,
    force: force.signal,
    [Symbol.dispose]() {
      for (const name of ['SIGTERM', 'SIGINT'] as const) process.off(name, signalled);
      process.off('disconnect', orphaned);
      // An open channel to the supervisor would keep this process alive.
      if (process.connected) process.disconnect();
    },
  };
}

export function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
