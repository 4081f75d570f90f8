/** CSV of what strangers named, cursors, and content that is named by its hash. */
import { encodeCursor, MAX_ROWS, ModelsQuery } from '@blyan/protocol/explorer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { immutableBytes, immutableJson, lastingJson } from '../src/server/http/bytes.ts';
import { csvOfList, csvResponse, wantsCsv } from '../src/server/http/csv.ts';

const COLUMNS = { name: (row: { name: string }) => row.name, size: () => 3 };
const request = (headers: Record<string, string> = {}) =>
  new Request('http://localhost/models?limit=2&cursor=a', { headers });

test('quotes what needs it, and no cell is a formula', async () => {
  const rows = ['plain', 'a,b', 'a"b', '=1+1', '@x', '-2', 'Ü'].map((name) => ({ name }));
  const response = csvResponse(COLUMNS, rows);
  const lines = (await response.text()).split('\r\n');
  expect(lines).toEqual([
    'name,size',
    'plain,3',
    '"a,b",3',
    '"a""b",3',
    "'=1+1,3",
    "'@x,3",
    "'-2,3",
    'Ü,3',
    '',
  ]);
});

describe('a list as a table', () => {
  const LENGTH = 1234;
  const Query = z.object({
    limit: z.coerce.number().max(MAX_ROWS),
    at: z.coerce.number().default(0),
  });
  const list = {
    columns: { row: (row: number) => row },
    querySchema: Query,
    cursor: 'at',
    async read({ limit, at }: z.output<typeof Query>) {
      const end = Math.min(LENGTH, at + limit);
      const rows = Array.from({ length: end - at }, (_, i) => at + i);
      return { rows, next: end < LENGTH ? end : null };
    },
  };
  const numbers = (from: number, to: number) =>
    ['row', ...Array.from({ length: to - from }, (_, i) => `${from + i}`), ''].join('\r\n');

  test('all of it, although it has more rows than a page', async () => {
    const response = await csvOfList(new Request('http://localhost/x?format=csv'), list);
    expect(response.headers.get('link')).toBeNull();
    expect(await response.text()).toBe(numbers(0, LENGTH));
  });

  test('its first rows wait for nothing else, and no page is read before it is wanted', async () => {
    const limits: number[] = [];
    const read: typeof list.read = (query) => {
      limits.push(query.limit);
      return list.read(query);
    };
    const response = await csvOfList(new Request('http://localhost/x'), { ...list, read });
    const reader = response.body!.getReader();
    const first = await reader.read();
    expect(new TextDecoder().decode(first.value)).toBe(numbers(0, 50));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(limits).toEqual([50]);
    await reader.read();
    expect(limits).toEqual([50, 100]);
    await reader.cancel();
    expect(limits).toEqual([50, 100]);
  });

  test('with a limit a page, and where the next one is', async () => {
    const at = 'http://localhost/x?format=csv&limit=3';
    const response = await csvOfList(new Request(at), list);
    expect(response.headers.get('link')).toBe('<?format=csv&limit=3&at=3>; rel="next"');
    expect(await response.text()).toBe(numbers(0, 3));
    const last = await csvOfList(new Request(`${at}&at=1233`), list);
    expect(last.headers.get('link')).toBeNull();
    expect(await last.text()).toBe(numbers(1233, 1234));
  });

  test('a list that breaks off is no shorter list', async () => {
    const read: typeof list.read = (query) =>
      query.at > 0 ? Promise.reject(new Error('gone')) : list.read(query);
    const response = await csvOfList(new Request('http://localhost/x'), { ...list, read });
    await expect(response.text()).rejects.toThrow('gone');
  });
});

test('who wants a table', () => {
  expect(wantsCsv(request({ accept: 'text/csv' }), undefined)).toBe(true);
  expect(wantsCsv(request({ accept: 'application/json, text/csv' }), undefined)).toBe(false);
  expect(wantsCsv(request({ accept: 'text/csv' }), 'json')).toBe(false);
  expect(wantsCsv(request(), 'csv')).toBe(true);
});

test('a cursor comes back as it was, and another text is refused', () => {
  const key = fc.oneof(fc.string({ unit: 'grapheme', maxLength: 30 }), fc.maxSafeInteger());
  fc.assert(
    fc.property(key, fc.nat(), (place, id) => {
      const { cursor } = ModelsQuery.parse({ cursor: encodeCursor({ key: place, id }) });
      expect(cursor).toEqual({ key: place, id });
    }),
  );
  expect(ModelsQuery.safeParse({ q: 'a\0b' }).success).toBe(false);
  for (const cursor of [
    '',
    '%',
    'abc',
    btoa('{}'),
    btoa('[null,1]'),
    btoa('["a",0.5]'),
    btoa('["\\u0000",1]'),
  ]) {
    expect(ModelsQuery.safeParse({ cursor }).success).toBe(false);
  }
});

test('what a client has is not sent again', async () => {
  const bytes = new Uint8Array(100).map((_, i) => i);
  const content = {
    etag: '"x"',
    size: 100,
    read: ({ start, end }: { start: number; end: number }) => bytes.subarray(start, end),
  };
  const send = (headers: Record<string, string>, method = 'GET') =>
    immutableBytes(new Request('http://localhost/', { headers, method }), content);
  expect(send({ 'if-none-match': '"y", W/"x"' }).status).toBe(304);
  expect(send({ 'if-none-match': '"y"' }).status).toBe(200);
  const part = send({ range: 'bytes=10-12' });
  expect(part.status).toBe(206);
  expect(part.headers.get('content-range')).toBe('bytes 10-12/100');
  expect(new Uint8Array(await part.arrayBuffer())).toEqual(Uint8Array.of(10, 11, 12));
  expect(send({ range: 'bytes=10-12', 'if-range': '"old"' }).status).toBe(200);
  expect(send({ range: 'bytes=100-' }).status).toBe(416);
  expect((await send({}, 'HEAD').arrayBuffer()).byteLength).toBe(0);
  const known = new Request('http://localhost/', { headers: { 'if-none-match': '*' } });
  expect(immutableJson(known, '"x"', {}).status).toBe(304);
});

test('JSON that lasts is named by its own bytes, and is not what a table is', async () => {
  const first = lastingJson(request(), { rows: [1] });
  expect(await first.json()).toEqual({ rows: [1] });
  expect(first.headers.get('cache-control')).toContain('immutable');
  expect(first.headers.get('vary')).toBe('accept');
  const known = request({ 'if-none-match': first.headers.get('etag') ?? '' });
  expect(lastingJson(known, { rows: [1] }).status).toBe(304);
  expect(lastingJson(known, { rows: [2] }).status).toBe(200);
});
