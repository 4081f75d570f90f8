/** A stream entry has one field with JSON in it. */
export const ENTRY_FIELD = 'e';

export type StreamEntry = [id: string, fields: string[]];

/** The JSON text of an entry, or undefined if it is not one of ours. */
export function entryText([, fields]: StreamEntry): string | undefined {
  return fields.length === 2 && fields[0] === ENTRY_FIELD ? fields[1] : undefined;
}

/** The entry that a wake-up carries: its id, a space, its JSON text. */
export function wakeUpEntry(message: string): StreamEntry | undefined {
  const space = message.indexOf(' ');
  return space > 0 ? [message.slice(0, space), [ENTRY_FIELD, message.slice(space + 1)]] : undefined;
}

/** Order of entry ids, as Redis has it: below 0 when `a` comes first. */
export function compareIds(a: string, b: string): number {
  const [aMain = 0, aSub = 0] = a.split('-').map(Number);
  const [bMain = 0, bSub = 0] = b.split('-').map(Number);
  return aMain - bMain || aSub - bSub;
}
