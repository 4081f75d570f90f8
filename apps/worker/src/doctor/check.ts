export interface Finding {
  /** For example `disk`. */
  name: string;
  state: 'ok' | 'warn' | 'fail';
  /** What was found. */
  detail: string;
  /** What puts it right, as exactly as can be said; absent when nothing is wrong. */
  fix?: string;
}

export const ok = (name: string, detail: string): Finding => ({ name, state: 'ok', detail });
export const warn = (name: string, detail: string, fix: string): Finding => ({
  name,
  state: 'warn',
  detail,
  fix,
});
export const fail = (name: string, detail: string, fix: string): Finding => ({
  name,
  state: 'fail',
  detail,
  fix,
});

export const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
