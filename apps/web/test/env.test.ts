import { expect, test } from 'vitest';
import { readConfig } from '../src/env.ts';
import { formatAgo, formatBytes, formatParameters } from '../src/lib/format.ts';

const good = {
  DATABASE_URL: 'postgresql://u:p@127.0.0.1:5432/db',
  REDIS_URL: 'redis://:p@127.0.0.1:6379',
};

test('defaults', () => {
  const config = readConfig({ ...good, BLYAN_DATA_DIR: '/data', BLYAN_API_KEY: '' });
  expect(config).toMatchObject({
    blobDir: '/data/blobs',
    nodeRedisUrl: good.REDIS_URL,
    apiKey: null,
    modelName: null,
    requestTimeoutMs: 300_000,
  });
});

test('every wrong variable names itself and shows an example', () => {
  const read = () =>
    readConfig({ REDIS_URL: 'http://x', BLYAN_REQUEST_TIMEOUT_S: 'soon', BLYAN_LOG_LEVEL: 'loud' });
  expect(read).toThrow(/DATABASE_URL is not set: .*postgresql:\/\//);
  expect(read).toThrow(/REDIS_URL is wrong: .*redis:\/\//);
  expect(read).toThrow(/BLYAN_REQUEST_TIMEOUT_S is wrong: .*300/);
  expect(read).toThrow(/BLYAN_LOG_LEVEL is wrong: .*info/);
});

test('numbers for people', () => {
  expect(formatBytes(512)).toBe('512 B');
  expect(formatBytes(3 * 2 ** 20)).toBe('3.0 MiB');
  expect(formatParameters(11_017_984)).toBe('11.0 M');
  expect(formatAgo(0, 3000)).toBe('just now');
  expect(formatAgo(0, 120_000)).toBe('2 minutes ago');
  expect(formatAgo(0, 86_400_000 * 3)).toBe('3 days ago');
});
