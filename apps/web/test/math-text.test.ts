import { expect, test } from 'vitest';
import { mathText } from '../src/chat/math-text.ts';

test.each([
  ['$x^2$ and $y$', '$$x^2$$ and $$y$$'],
  ['it costs $5 and $6', 'it costs $5 and $6'],
  ['($5)–($6)', '($5)–($6)'],
  ['\\(a+b\\) is \\[ c \\]', '$$a+b$$ is $$\nc\n$$'],
  ['$$x$$', '$$x$$'],
  ['a \\$5 and \\$6 b', 'a \\$5 and \\$6 b'],
  ['`$x$` and $x$', '`$x$` and $$x$$'],
  ['```sh\necho $a $b$\n```\n$x$', '```sh\necho $a $b$\n```\n$$x$$'],
  ['```sh\n$a$', '```sh\n$a$'],
  ['nothing', 'nothing'],
])('%j becomes %j', (text, expected) => {
  expect(mathText(text)).toBe(expected);
});
