import './globals.css';
import { GeistMono } from 'geist/font/mono';
import { GeistSans } from 'geist/font/sans';
import type { Metadata, Viewport } from 'next';
import { headers } from 'next/headers';
import type { ReactNode } from 'react';
import { Header } from '@/components/header';
import { context } from '@/server/context';
import { Providers } from './providers';

export const metadata: Metadata = {
  title: { default: 'Blyan', template: '%s · Blyan' },
  description: 'A language model whose every weight can be traced to a block and checked.',
};

export const viewport: Viewport = {
  width: 'device-width',
  initialScale: 1,
  // The composer stays above the on-screen keyboard.
  interactiveWidget: 'resizes-content',
};

export default async function RootLayout({ children }: { children: ReactNode }) {
  const nonce = (await headers()).get('x-nonce') ?? undefined;
  // Pages show themselves what is missing; the header does without the mark.
  const genesis = await context()
    .models.genesis()
    .catch(() => null);
  return (
    <html
      lang="en"
      suppressHydrationWarning
      className={`${GeistSans.variable} ${GeistMono.variable}`}
    >
      <body className="flex min-h-dvh flex-col">
        <Providers nonce={nonce}>
          <a
            href="#main"
            className="sr-only focus:not-sr-only focus:absolute focus:z-30 focus:m-2 focus:bg-surface focus:p-2"
          >
            Skip to content
          </a>
          <Header genesis={genesis} />
          {children}
        </Providers>
      </body>
    </html>
  );
}
