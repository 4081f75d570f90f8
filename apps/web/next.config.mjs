import path from 'node:path';

/** REST routes live under /api and answer at the root too. */
const ROOT_ROUTES = [
  '/health',
  '/ready',
  '/chat',
  '/chat/stream',
  '/chat/:id/cancel',
  '/v1/:path*',
  '/chain/:path*',
  '/blobs/:path*',
  '/proofs/:path*',
  '/models/:path*',
  '/tensors/:path*',
  '/receipts/:path*',
  '/nodes/:path*',
  '/search',
  '/gpu/:path*',
  '/openapi.json',
];

const root = path.resolve(import.meta.dirname, '../..');

/** @type {import('next').NextConfig} */
const config = {
  turbopack: { root },
  outputFileTracingRoot: root,
  transpilePackages: ['chain', 'db', 'model', 'protocol', 'queue', 'store'].map(
    (name) => `@blyan/${name}`,
  ),
  // They load parts of themselves by path at run time, which a bundle would break.
  serverExternalPackages: [
    'bullmq',
    'ioredis',
    'pg',
    '@prisma/client',
    '@prisma/adapter-pg',
    'pino',
  ],
  // `npm run check` does it, for tests too.
  typescript: { ignoreBuildErrors: true },
  // Compression would hold back server-sent events; the rest is small or packed already.
  compress: false,
  poweredByHeader: false,
  rewrites: async () => ROOT_ROUTES.map((source) => ({ source, destination: `/api${source}` })),
  headers: async () => [
    {
      source: '/:path*',
      headers: [
        { key: 'X-Content-Type-Options', value: 'nosniff' },
        { key: 'Referrer-Policy', value: 'no-referrer' },
        { key: 'X-Frame-Options', value: 'DENY' },
        { key: 'Cross-Origin-Opener-Policy', value: 'same-origin' },
        { key: 'Cross-Origin-Resource-Policy', value: 'same-origin' },
        { key: 'Permissions-Policy', value: 'camera=(), microphone=(), geolocation=()' },
      ],
    },
  ],
};

export default config;
