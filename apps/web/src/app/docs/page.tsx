import type { Metadata } from 'next';
import { ApiViewer } from '@/components/api-viewer';
import { EnglishMain } from '@/components/english-main';

export const metadata: Metadata = { title: 'API' };

export default function DocsPage() {
  return (
    <EnglishMain className="mx-auto w-full max-w-6xl flex-1 px-4 py-8 sm:px-6">
      <h1 className="text-2xl font-semibold tracking-tight">API</h1>
      <p className="mt-2 max-w-prose text-soft">
        Clients of the OpenAI API work unchanged with this server and <code>/v1</code> as their base
        URL. Every route also answers under <code>/api</code>. The document behind this page is{' '}
        <a className="link" href="/openapi.json">
          openapi.json
        </a>
        .
      </p>
      <ApiViewer url="/openapi.json" />
    </EnglishMain>
  );
}
