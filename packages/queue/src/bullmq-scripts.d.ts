/** BullMQ's own scripts, by name; the package declares them for its ESM build only. */
declare module 'bullmq/dist/cjs/scripts/index.js' {
  const scripts: Record<string, { name: string; content: string; keys: number }>;
  export default scripts;
}
