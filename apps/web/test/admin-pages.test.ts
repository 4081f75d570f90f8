import { expect, test } from 'vitest';
import { changesOf } from '../src/admin/audit/changes.ts';
import { toCsv } from '../src/admin/ui/csv.ts';

test('CSV quotes what RFC 4180 wants, and keeps spreadsheets from computing', () => {
  const at = new Date('2026-01-31T12:00:00Z');
  const rows = [
    ['a "b", c', null, 3, at],
    ['=HYPERLINK("x")', '-1', -1, 'two\nlines'],
  ];
  expect(toCsv(['name', 'x', 'y', 'z'], rows)).toBe(
    [
      'name,x,y,z',
      '"a ""b"", c",,3,2026-01-31T12:00:00.000Z',
      `"'=HYPERLINK(""x"")",'-1,-1,"two\nlines"`,
      '',
    ].join('\r\n'),
  );
});

test('only what differs is shown', () => {
  const before = { name: 'w', disabledAt: null, scopes: ['serve'], gone: 1 };
  const after = { name: 'w', disabledAt: '2026-01-31', scopes: ['serve', 'blobs'] };
  expect(changesOf(before, after)).toEqual([
    { name: 'disabledAt', before: null, after: '2026-01-31' },
    { name: 'scopes', before: 'serve', after: 'serve, blobs' },
    { name: 'gone', before: '1', after: null },
  ]);
  expect(changesOf(null, { x: {} })).toEqual([{ name: 'x', before: null, after: '{}' }]);
  expect(changesOf(null, null)).toEqual([]);
});
