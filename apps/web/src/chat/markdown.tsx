'use client';

import { memo } from 'react';
import { type Components, Streamdown } from 'streamdown';

/** A picture would be fetched from wherever the model says: its address is shown instead. */
const components: Components = {
  img: ({ src, alt }) => (
    <a href={typeof src === 'string' ? src : undefined} rel="noreferrer noopener" target="_blank">
      {alt || 'Picture'}
    </a>
  ),
};

interface MarkdownProps {
  text: string;
  streaming: boolean;
}

export const Markdown = memo(function Markdown({ text, streaming }: MarkdownProps) {
  return (
    <Streamdown
      className="answer"
      isAnimating={streaming}
      components={components}
      controls={{ table: false, mermaid: false, code: { copy: true, download: false } }}
      lineNumbers={false}
    >
      {text}
    </Streamdown>
  );
});
