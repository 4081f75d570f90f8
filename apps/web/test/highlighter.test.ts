import type { HighlightResult } from 'streamdown';
import { expect, test, vi } from 'vitest';
import { createHighlightPlugin } from '../src/chat/highlighter.ts';

test('a block of code is coloured when it is whole, and in a language that is known', async () => {
  const { highlight } = createHighlightPlugin();
  const themes: [string, string] = ['github-light', 'github-dark'];
  const code = 'const answer = 42;';
  const never = vi.fn();
  const half = { code: 'if (x)\n  const ans', language: 'js', themes, isIncomplete: true };
  const lines = highlight(half, never)?.tokens.map((line) => line.map(({ content }) => content));
  expect(lines).toEqual([['if (x)'], ['  const ans']]);
  highlight({ code, language: 'klingon', themes, isIncomplete: false }, never);
  const { tokens } = await new Promise<HighlightResult>((resolve) => {
    highlight({ code, language: 'js', themes, isIncomplete: false }, resolve);
  });
  expect(tokens.flat().map(({ content }) => content)).toContain('const');
  expect(never).not.toHaveBeenCalled();
});
