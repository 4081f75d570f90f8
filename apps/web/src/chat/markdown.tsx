'use client';

import { cjk } from '@streamdown/cjk';
import { math } from '@streamdown/math';
import { memo, useMemo } from 'react';
import { type Components, Streamdown } from 'streamdown';
import { useWords } from '@/lib/i18n/provider';
import { createHighlightPlugin } from './highlighter';
import { mathText } from './math-text';

const plugins = { cjk, code: createHighlightPlugin(), math };

const controls = {
  table: { copy: true, download: false, fullscreen: false },
  mermaid: false,
  code: { copy: true, download: false },
};

interface MarkdownProps {
  text: string;
  streaming: boolean;
}

export const Markdown = memo(function Markdown({ text, streaming }: MarkdownProps) {
  const { thread, markdown } = useWords();
  const components = useMemo<Components>(
    () => ({
      // A picture would be fetched from wherever the model says: its address is shown instead.
      img: ({ src, alt }) => (
        <a
          href={typeof src === 'string' ? src : undefined}
          rel="noreferrer noopener"
          target="_blank"
        >
          {alt || thread.picture}
        </a>
      ),
    }),
    [thread],
  );
  return (
    <Streamdown
      className="answer"
      mode={streaming ? 'streaming' : 'static'}
      isAnimating={streaming}
      components={components}
      plugins={plugins}
      controls={controls}
      lineNumbers={false}
      translations={markdown}
    >
      {mathText(text)}
    </Streamdown>
  );
});
