/** Resolves when this process is asked to stop: by a signal, or by the end of its supervisor. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    const stop = () => {
      resolve();
      // A second signal ends the process at once, as is the default.
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.off(signal, stop);
      if (process.connected) process.disconnect();
    };
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, stop);
    if (process.connected) process.once('disconnect', stop);
  });
}
