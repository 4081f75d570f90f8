/** A stream entry has one field with JSON in it. */
export const ENTRY_FIELD = 'e';

export type StreamEntry = [id: string, fields: string[]];

/** The JSON text of an entry, or undefined if it is not one of ours. */
export function entryText([, fields]: StreamEntry): string | undefined {
  return fields.length === 2 && fields[0] === ENTRY_FIELD ? fields[1] : undefined;
}
