import type { Page } from 'playwright-core';

/** The product that pictures are taken of. */
export interface Site {
  url: string;
  /** @throws Error for anything but 2xx */
  json<T>(at: string): Promise<T>;
  /** Asks the model; returns the address of the answer's receipt. */
  ask(prompt: string): Promise<string>;
}

/** One picture of the README. */
export interface Shot {
  /** Of the file, in docs/images. */
  name: string;
  size: 'desktop' | 'phone';
  theme: 'light' | 'dark';
  /** Opens what is to be seen, and waits until all of it is there. */
  show(page: Page, site: Site): Promise<void>;
}
