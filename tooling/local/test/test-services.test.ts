import { Redis } from 'ioredis';
import pg from 'pg';
import { expect, inject, test } from 'vitest';
import type {} from '../src/test-context.ts';

test('provides a PostgreSQL in which databases can be created', async () => {
  const client = new pg.Client({ connectionString: inject('databaseUrl') });
  await client.connect();
  try {
    await client.query('CREATE DATABASE made_by_test');
    const { rows } = await client.query("SELECT current_setting('server_version_num')::int AS v");
    expect(rows[0].v).toBeGreaterThanOrEqual(180000);
    await client.query('DROP DATABASE made_by_test');
  } finally {
    await client.end();
  }
});

test('provides a Redis that never evicts', async () => {
  const client = new Redis(inject('redisUrl'));
  try {
    expect(await client.config('GET', 'maxmemory-policy')).toEqual([
      'maxmemory-policy',
      'noeviction',
    ]);
  } finally {
    client.disconnect();
  }
});
