'use client';

import { QueryClient, QueryClientProvider } from '@tanstack/react-query';
import { createTRPCClient, httpBatchLink } from '@trpc/client';
import { ThemeProvider, useTheme } from 'next-themes';
import { type ReactNode, useState } from 'react';
import { Toaster } from 'sonner';
import superjson from 'superjson';
import type { Locale } from '@/lib/i18n/locale';
import { LocaleProvider, useWords } from '@/lib/i18n/provider';
import { TRPCProvider } from '@/lib/trpc';
import type { AppRouter } from '@/server/trpc/root';

function Toasts() {
  const { resolvedTheme } = useTheme();
  const { toasts } = useWords();
  return (
    <Toaster
      position="top-center"
      theme={resolvedTheme === 'dark' ? 'dark' : 'light'}
      containerAriaLabel={toasts}
    />
  );
}

interface ProvidersProps {
  nonce: string | undefined;
  locale: Locale;
  children: ReactNode;
}

export function Providers({ nonce, locale, children }: ProvidersProps) {
  const [queryClient] = useState(
    () => new QueryClient({ defaultOptions: { queries: { staleTime: 2000 } } }),
  );
  const [trpcClient] = useState(() =>
    createTRPCClient<AppRouter>({
      links: [httpBatchLink({ url: '/api/trpc', transformer: superjson })],
    }),
  );
  return (
    <ThemeProvider attribute="class" disableTransitionOnChange {...(nonce ? { nonce } : {})}>
      <QueryClientProvider client={queryClient}>
        <TRPCProvider trpcClient={trpcClient} queryClient={queryClient}>
          <LocaleProvider locale={locale}>
            {children}
            <Toasts />
          </LocaleProvider>
        </TRPCProvider>
      </QueryClientProvider>
    </ThemeProvider>
  );
}
