#!/usr/bin/env node
/** `npx blyan-verify` in the repository: the command out of its source. */
import { register } from 'tsx/esm/api';

register();
await import('../src/main.ts');
