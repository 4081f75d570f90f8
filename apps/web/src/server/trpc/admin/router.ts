import { router } from '../init.ts';
import { accountRouter } from './account.ts';
import { auditRouter } from './audit.ts';
import { keysRouter } from './keys.ts';
import { nodesRouter } from './nodes.ts';
import { setupRouter } from './setup.ts';

export const adminRouter = router({
  account: accountRouter,
  audit: auditRouter,
  keys: keysRouter,
  nodes: nodesRouter,
  setup: setupRouter,
});
