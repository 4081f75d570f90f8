import { defineConfig } from 'prisma/config';

// The datasource URL is passed by the commands that need one; generating the client needs none.
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
});
