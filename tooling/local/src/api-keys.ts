/** `npm run api-keys -- create|list|revoke`: the coordinator's command. */
import { coordinatorCommand } from './coordinator-command.ts';

await coordinatorCommand({ name: 'api-keys', what: 'The command', args: process.argv.slice(2) });
