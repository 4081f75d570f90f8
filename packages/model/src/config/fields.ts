/** How config.json is read: each field checked, each refusal with the field's name and value. */
import { ModelError } from '../errors.ts';

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value that no checkpoint can mean: CONFIG_INVALID. */
export const invalid = (field: string, value: unknown, expected: string) =>
  new ModelError(
    'CONFIG_INVALID',
    { field, value: JSON.stringify(value)?.slice(0, 100) ?? 'absent' },
    `config.json: ${field} is ${JSON.stringify(value)?.slice(0, 100) ?? 'absent'}; expected ${expected}.`,
  );

/** A value that has a meaning, which the stage graph does not have: FEATURE_UNSUPPORTED. */
export const unsupported = (field: string, value: unknown, what: string) =>
  new ModelError(
    'FEATURE_UNSUPPORTED',
    { field, value: JSON.stringify(value)?.slice(0, 100) },
    `config.json: ${field} = ${JSON.stringify(value)?.slice(0, 100)}: ${what}`,
  );

/** From 1 to `max`. @throws ModelError CONFIG_INVALID */
export function integer(config: Json, field: string, max: number): number {
  const value = config[field];
  if (typeof value !== 'number' || !Number.isInteger(value) || value < 1 || value > max) {
    throw invalid(field, value, `an integer from 1 to ${max}`);
  }
  return value;
}
