/** What differs between the two values of an audit entry, for people. */

export interface Change {
  name: string;
  /** Null: it was not there. */
  before: string | null;
  after: string | null;
}

export function changesOf(before: unknown, after: unknown): Change[] {
  const [old, now] = [asRecord(before), asRecord(after)];
  const names = [...new Set([...Object.keys(old), ...Object.keys(now)])];
  return names
    .map((name) => ({ name, before: shown(old[name]), after: shown(now[name]) }))
    .filter((change) => change.before !== change.after);
}

const asRecord = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : {};

function shown(value: unknown): string | null {
  if (value === undefined || value === null) return null;
  if (Array.isArray(value)) return value.length === 0 ? null : value.map(String).join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
