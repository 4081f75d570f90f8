/**
 * The line to one client: its signal aborts when the client leaves, when this process ends, or at
 * `close`, which must be called in the end. Not `AbortSignal.any`: the signal of the process outlives
 * every request and would keep a trace of each.
 */
export interface Line {
  signal: AbortSignal;
  close(): void;
}

export function openLine(...sources: AbortSignal[]): Line {
  const controller = new AbortController();
  const close = () => {
    for (const source of sources) source.removeEventListener('abort', close);
    controller.abort();
  };
  for (const source of sources) {
    if (source.aborted) controller.abort();
    source.addEventListener('abort', close);
  }
  return { signal: controller.signal, close };
}
