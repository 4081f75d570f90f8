/**
 * Rotary embeddings as config.json describes them: `rope_theta` with `rope_scaling`, or
 * `rope_parameters`, or both when they agree. A field that no served type has is refused by name.
 */
import type { RopeConfig } from '../families/family.ts';
import { invalid, isObject, type Json, unsupported } from './fields.ts';

/** Largest number of positions that a checkpoint may say it was trained on. */
const MAX_CONTEXT = 1 << 24;
/** Published factors go up to 64; beyond this one the slowest pairs would not turn at all. */
const MAX_FACTOR = 1e6;

const COMMON = ['rope_type', 'type', 'rope_theta', 'partial_rotary_factor'];

/** Fields of each type beside the common ones. `finetuned` says how the weights came about. */
const FIELDS: Readonly<Record<RopeConfig['type'], readonly string[]>> = {
  default: [],
  linear: ['factor'],
  llama3: ['factor', 'low_freq_factor', 'high_freq_factor', 'original_max_position_embeddings'],
  yarn: [
    'factor',
    'attention_factor',
    'mscale',
    'mscale_all_dim',
    'beta_fast',
    'beta_slow',
    'truncate',
    'original_max_position_embeddings',
    'finetuned',
  ],
};

const isServed = (type: unknown): type is RopeConfig['type'] =>
  typeof type === 'string' && Object.hasOwn(FIELDS, type);

/**
 * @param context positions that are served, `max_position_embeddings`
 * @param defaultTheta of a config.json without theta; undefined where it must have one
 * @throws ModelError CONFIG_INVALID, FEATURE_UNSUPPORTED
 */
export function readRope(
  config: Json,
  context: number,
  defaultTheta: number | undefined,
): RopeConfig {
  const given = ['rope_scaling', 'rope_parameters'].filter((field) => config[field] != null);
  const theta = readTheta(config, given, defaultTheta);
  const [first, ...others] = given.map((field) => readScaling(config, field, theta, context));
  const rope = first ?? { type: 'default', theta };
  if (others.some((other) => JSON.stringify(other) !== JSON.stringify(rope))) {
    throw invalid('rope_parameters', config.rope_parameters, 'the same as rope_scaling says');
  }
  const stated = config.original_max_position_embeddings;
  if ('originalContext' in rope && stated != null && stated !== rope.originalContext) {
    const same = `${rope.originalContext}, as the rope's own`;
    throw invalid('original_max_position_embeddings', stated, same);
  }
  return rope;
}

function readTheta(config: Json, given: string[], defaultTheta: number | undefined): number {
  const inside = given.map((field) => (isObject(config[field]) ? config[field].rope_theta : null));
  const thetas = [...inside, config.rope_theta].filter((value) => value != null);
  const theta = thetas[0] ?? defaultTheta;
  if (typeof theta !== 'number' || !(theta > 1 && theta < 1e12)) {
    throw invalid('rope_theta', theta, 'a number from 1 to 10^12');
  }
  if (thetas.some((other) => other !== theta)) {
    throw invalid('rope_theta', thetas, 'one value, not two that contradict each other');
  }
  return theta;
}

function readScaling(config: Json, field: string, theta: number, context: number): RopeConfig {
  const rope = config[field];
  if (!isObject(rope)) throw invalid(field, rope, 'an object or null');
  const type = rope.rope_type ?? rope.type ?? 'default';
  if (!isServed(type)) {
    const served = Object.keys(FIELDS).join(', ');
    throw unsupported(`${field}.rope_type`, type, `the served types are ${served}.`);
  }
  const known = [...COMMON, ...FIELDS[type]];
  const other = Object.keys(rope).find((name) => rope[name] != null && !known.includes(name));
  if (other !== undefined) {
    throw unsupported(`${field}.${other}`, rope[other], `rope type ${type} has no such field.`);
  }
  const rotary = rope.partial_rotary_factor ?? 1;
  if (rotary !== 1) {
    throw unsupported(`${field}.partial_rotary_factor`, rotary, 'heads are rotated whole.');
  }
  const number = numbersOf(rope, field);
  switch (type) {
    case 'default':
      return { type, theta };
    case 'linear':
      return { type, theta, factor: number('factor', 1, MAX_FACTOR) };
    case 'llama3':
      return readLlama3(rope, field, theta);
    case 'yarn':
      return readYarn(rope, field, theta, context);
  }
}

/** Reads numbers from `min` to `max`; a fallback makes a field optional, also when it is null. */
const numbersOf =
  (rope: Json, field: string) =>
  (name: string, min: number, max: number, fallback?: number): number => {
    const value = rope[name] ?? fallback;
    if (typeof value !== 'number' || !(value >= min && value <= max)) {
      throw invalid(`${field}.${name}`, value, `a number from ${min} to ${max}`);
    }
    return value;
  };

function readLlama3(rope: Json, field: string, theta: number): RopeConfig {
  const number = numbersOf(rope, field);
  const low = number('low_freq_factor', 1e-6, MAX_FACTOR);
  const high = number('high_freq_factor', 1e-6, MAX_FACTOR);
  if (high <= low)
    throw invalid(`${field}.high_freq_factor`, high, `more than ${low}, the low one`);
  return {
    type: 'llama3',
    theta,
    factor: number('factor', 1, MAX_FACTOR),
    lowFrequency: low,
    highFrequency: high,
    originalContext: number('original_max_position_embeddings', 1, MAX_CONTEXT),
  };
}

function readYarn(rope: Json, field: string, theta: number, context: number): RopeConfig {
  const number = numbersOf(rope, field);
  const factor = number('factor', 1, MAX_FACTOR);
  // The reference implementation takes 0 for absent in these.
  const betaFast = number('beta_fast', 0, MAX_FACTOR, 0) || 32;
  const betaSlow = number('beta_slow', 0, MAX_FACTOR, 0) || 1;
  if (betaFast < betaSlow) {
    throw invalid(`${field}.beta_fast`, betaFast, `at least beta_slow, ${betaSlow}`);
  }
  const truncate = rope.truncate ?? true;
  if (typeof truncate !== 'boolean') throw invalid(`${field}.truncate`, truncate, 'true or false');
  const mscale = number('mscale', 0, MAX_FACTOR, 0);
  const mscaleAllDim = number('mscale_all_dim', 0, MAX_FACTOR, 0);
  const scaled = (by: number) => 0.1 * by * Math.log(factor) + 1;
  const usual = mscale && mscaleAllDim ? scaled(mscale) / scaled(mscaleAllDim) : scaled(1);
  return {
    type: 'yarn',
    theta,
    factor,
    attentionFactor: number('attention_factor', 1e-6, MAX_FACTOR, usual),
    betaFast,
    betaSlow,
    truncate,
    originalContext: number('original_max_position_embeddings', 1, MAX_CONTEXT, context),
  };
}
