/** What pages come with, before anything is rendered. */
import { NextRequest } from 'next/server';
import { describe, expect, test } from 'vitest';
import { proxy } from '../src/proxy.ts';

const open = (path: string, headers: Record<string, string> = {}) =>
  proxy(new NextRequest(`http://localhost:8000${path}`, { headers })).headers;

describe('the session of a browser', () => {
  test.each(['/', '/c/AbCdEfGhIjKlMnOpQrStUvWx', '/?q=1'])(
    'is there before a question: %s',
    (path) => {
      const cookie = open(path).get('set-cookie') ?? '';
      expect(cookie).toMatch(/^blyan-session=[\w-]{43}; .*HttpOnly; SameSite=Lax$/);
      // The one that is there stays: two tabs are one browser.
      expect(open(path, { cookie: cookie.split(';', 1)[0] ?? '' }).get('set-cookie')).toBeNull();
      const behind = open(path, { 'x-forwarded-proto': 'https' });
      expect(behind.get('set-cookie')).toMatch(/; Secure$/);
    },
  );

  test.each(['/docs', '/explorer', '/s/some', '/admin', '/c/some/more'])(
    'is not made by %s',
    (path) => {
      expect(open(path).get('set-cookie')).toBeNull();
      expect(open(path).get('content-security-policy')).toContain("'nonce-");
    },
  );
});
