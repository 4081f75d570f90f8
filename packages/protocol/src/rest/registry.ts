/** All routes of the REST API: a route that is not here fails a test of the web app. */
import { ANSWER_OPERATIONS } from './answers.ts';
import { CHAIN_OPERATIONS } from './chain.ts';
import { EXPLORER_OPERATIONS } from './explorer.ts';
import type { Operation } from './operation.ts';
import { SERVER_OPERATIONS } from './server.ts';

export const OPERATIONS: readonly Operation[] = [
  ...ANSWER_OPERATIONS,
  ...CHAIN_OPERATIONS,
  ...EXPLORER_OPERATIONS,
  ...SERVER_OPERATIONS,
];
