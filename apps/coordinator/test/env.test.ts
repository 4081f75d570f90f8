import { expect, test } from 'vitest';
import { toConfig } from '../src/config.ts';
import { readEnv } from '../src/env.ts';

const env = (values: Record<string, string>) =>
  readEnv({ DATABASE_URL: 'postgresql://a:b@x/y', REDIS_URL: 'redis://x', ...values });

test('frames between stages are f32 unless f16 is asked for', () => {
  expect(toConfig(env({})).frames).toBe('f32');
  expect(toConfig(env({ BLYAN_PIPELINE_FRAMES: 'f16' })).frames).toBe('f16');
  expect(() => env({ BLYAN_PIPELINE_FRAMES: 'f8' })).toThrow(
    /BLYAN_PIPELINE_FRAMES is wrong .* Example: BLYAN_PIPELINE_FRAMES=f16/,
  );
});

test('answers are kept at least as long as they may take, in whole ms', () => {
  const retention = (hours: string) => toConfig(env({ BLYAN_RETENTION_H: hours })).retentionMs;
  expect(retention('0.1')).toBe(360_000);
  expect(Number.isInteger(retention('0.123456789'))).toBe(true);
  expect(() => retention('0.08')).toThrow(/BLYAN_RETENTION_H is wrong \(.*TIMEOUT_S/);
  const long = { BLYAN_RETENTION_H: '1', BLYAN_REQUEST_TIMEOUT_S: '3601' };
  expect(() => env(long)).toThrow(/BLYAN_RETENTION_H/);
});
