'use client';

import { useCallback, useEffect, useLayoutEffect, useRef, useState } from 'react';

/** Nearer to the end than this counts as being there. */
const NEAR_PX = 64;

const atBottom = () =>
  window.innerHeight + window.scrollY >= document.documentElement.scrollHeight - NEAR_PX;

/** Follows the end of the page while it grows, until the reader scrolls up. */
export function useStickToBottom(content: unknown) {
  const [stuck, setStuck] = useState(true);
  const follow = useRef(true);
  useEffect(() => {
    let last = window.scrollY;
    const onScroll = () => {
      const up = window.scrollY < last;
      last = window.scrollY;
      // Growing content moves the end away without a scroll upwards: only the reader lets go.
      if (atBottom()) follow.current = true;
      else if (up) follow.current = false;
      setStuck(follow.current);
    };
    addEventListener('scroll', onScroll, { passive: true });
    return () => removeEventListener('scroll', onScroll);
  }, []);
  // biome-ignore lint/correctness/useExhaustiveDependencies: runs when the content has changed
  useLayoutEffect(() => {
    if (follow.current) window.scrollTo({ top: document.documentElement.scrollHeight });
  }, [content]);
  const toBottom = useCallback(() => {
    follow.current = true;
    setStuck(true);
    window.scrollTo({ top: document.documentElement.scrollHeight });
  }, []);
  return { stuck, toBottom };
}
