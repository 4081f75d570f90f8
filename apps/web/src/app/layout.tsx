import './globals.css';
import { GeistMono } from 'geist/font/mono';
import { GeistSans } from 'geist/font/sans';
import type { Metadata, Viewport } from 'next';
import { headers } from 'next/headers';
import type { ReactNode } from 'react';
import { Header } from '@/components/header';
import { chooseLocale, dictionaryOf } from '@/lib/i18n/locale';
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
  const asked = await headers();
  const nonce = asked.get('x-nonce') ?? undefined;
  const locale = chooseLocale(asked.get('cookie'), asked.get('accept-language'));
  const words = dictionaryOf(locale).header;
  // Pages show themselves what is missing; the header does without the mark.
  const genesis = await context()
    .models.genesis()
    .catch(() => null);
  return (
    <html
      lang={locale}
      suppressHydrationWarning
      className={`${GeistSans.variable} ${GeistMono.variable}`}
    >
      <body className="flex min-h-dvh flex-col">
        <Providers nonce={nonce} locale={locale}>
          <a
            href="#main"
            className="sr-only focus:not-sr-only focus:absolute focus:z-30 focus:m-2 focus:bg-surface focus:p-2"
          >
            {words.skip}
          </a>
          <Header genesis={genesis} words={words} />
          {children}
        </Providers>
      </body>
    </html>
  );
}
