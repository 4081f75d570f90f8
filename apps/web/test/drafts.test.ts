import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { Drafts } from '../src/chat/drafts.ts';

let kept: Map<string, string>;
beforeEach(() => {
  kept = new Map();
  vi.stubGlobal('sessionStorage', {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
});
afterEach(() => vi.unstubAllGlobals());

test('what was typed is there after a reload, until it is sent', () => {
  new Drafts().set('a', 'Half a quest');
  expect(new Drafts().get('a')).toBe('Half a quest');
  expect(new Drafts().get('b')).toBe('');
  new Drafts().set('a', '');
  expect(new Drafts().get('a')).toBe('');
  expect(kept.size).toBe(0);
});

test('the one that was typed in longest ago gives way', () => {
  const drafts = new Drafts();
  for (let i = 0; i < 20; i++) drafts.set(`c${i}`, `text ${i}`);
  drafts.set('c0', 'text 0, and more');
  drafts.set('c20', 'text 20');
  expect(new Drafts().get('c1')).toBe('');
  expect(new Drafts().get('c0')).toBe('text 0, and more');
  expect(new Drafts().get('c2')).toBe('text 2');
  drafts.set('long', 'x'.repeat(200_000));
  drafts.set('longer', 'y'.repeat(200_000));
  expect(new Drafts().get('c20')).toBe('');
  expect(new Drafts().get('longer')).toHaveLength(200_000);
  expect([...kept.values()].join('').length).toBeLessThan(401_000);
});

test('deleted conversations leave no draft behind', () => {
  const drafts = new Drafts();
  for (const id of ['a', 'b', 'c']) drafts.set(id, id);
  drafts.forget(['b']);
  expect(['a', 'b', 'c'].map((id) => new Drafts().get(id))).toEqual(['a', '', 'c']);
  drafts.forget();
  expect(kept.size).toBe(0);
});

test.each(['', '{', 'null', '{"a":1}', '[["a"],["b",2],3,null]'])(
  'storage that holds %j is as good as empty',
  (text) => {
    kept.set('blyan.drafts', text);
    expect(new Drafts().get('a')).toBe('');
    expect(new Drafts().get('b')).toBe('');
  },
);

test('without storage they last as long as the page', () => {
  vi.stubGlobal('sessionStorage', undefined);
  const drafts = new Drafts();
  drafts.set('a', 'text');
  expect(drafts.get('a')).toBe('text');
});
