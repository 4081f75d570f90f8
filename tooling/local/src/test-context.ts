/** What `inject()` gives to tests of projects that name `test-services.ts` as their globalSetup. */
declare module 'vitest' {
  interface ProvidedContext {
    /** Database `postgres` of a real server; the user may CREATE DATABASE. */
    databaseUrl: string;
    /** A real Redis, shared by all test files: use your own key prefixes. */
    redisUrl: string;
  }
}

export {};
