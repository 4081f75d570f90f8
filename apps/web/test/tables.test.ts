/** CSV of what strangers named, cursors, and content that is named by its hash. */
import { encodeCursor, ModelsQuery } from '@blyan/protocol/explorer';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { immutableBytes, immutableJson } from '../src/server/http/bytes.ts';
import { csvResponse, nextQuery, wantsCsv } from '../src/server/http/csv.ts';

const COLUMNS = { name: (row: { name: string }) => row.name, size: () => 3 };
const request = (headers: Record<string, string> = {}) =>
  new Request('http://localhost/models?limit=2&cursor=a', { headers });

test('quotes what needs it, and no cell is a formula', async () => {
  const rows = ['plain', 'a,b', 'a"b', '=1+1', '@x', '-2', 'Ü'].map((name) => ({ name }));
  const response = csvResponse(COLUMNS, rows, nextQuery(request(), 'cursor', 'b'));
  expect(response.headers.get('link')).toBe('<?limit=2&cursor=b>; rel="next"');
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
