/** `model:import --plan` from its source: reaches no database code, so that nothing has to be built. */
import { CommandError, runCommand } from './command.ts';
import { parseImportArgs, USAGE } from './import-args.ts';
import { planImport } from './import-plan.ts';

await runCommand(async (signal) => {
  const args = await parseImportArgs(process.argv.slice(2), process.cwd());
  if (args && !args.plan) throw new CommandError('--plan is missing.');
  process.stdout.write(args?.plan ? `${await planImport(args, args.plan, signal)}\n` : USAGE);
});
