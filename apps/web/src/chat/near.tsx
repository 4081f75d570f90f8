'use client';

import {
  createContext,
  type ReactNode,
  type RefObject,
  use,
  useEffect,
  useRef,
  useState,
} from 'react';

/** What is nearer to the screen than this is made in full: about one fast flick of a wheel. */
const NEAR = '1500px 0px';

type Watch = (element: Element, onNear: () => void) => () => void;
const NearContext = createContext<Watch | null>(null);

interface NearProviderProps {
  root: RefObject<Element | null>;
  children: ReactNode;
}

/** One observer for a whole conversation: hundreds of its messages are not on the screen. */
export function NearProvider({ root, children }: NearProviderProps) {
  const waiting = useRef(new Map<Element, () => void>());
  const observer = useRef<IntersectionObserver | null>(null);
  const [watch] = useState<Watch>(() => (element: Element, onNear: () => void) => {
    // Made by the first child: children's effects run before ours, and the root is there by then.
    observer.current ??= new IntersectionObserver(
      (entries) => {
        for (const { isIntersecting, target } of entries) {
          if (isIntersecting) waiting.current.get(target)?.();
        }
      },
      { root: root.current, rootMargin: NEAR },
    );
    waiting.current.set(element, onNear);
    observer.current.observe(element);
    return () => {
      waiting.current.delete(element);
      observer.current?.unobserve(element);
    };
  });
  useEffect(
    () => () => {
      observer.current?.disconnect();
      observer.current = null;
    },
    [],
  );
  return <NearContext value={watch}>{children}</NearContext>;
}

/** Whether the element has ever been near to the screen; without a provider it is. */
export function useNear<E extends Element>(): [RefObject<E | null>, boolean] {
  const watch = use(NearContext);
  const element = useRef<E>(null);
  const [near, setNear] = useState(watch === null);
  useEffect(() => {
    if (near || !watch || !element.current) return;
    return watch(element.current, () => setNear(true));
  }, [near, watch]);
  return [element, near];
}
