/** The command line of a worker. Options stand for variables of the environment, and win over them. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { VERSION } from '../version.ts';

export interface Actions {
  run(env: NodeJS.ProcessEnv): Promise<void>;
  doctor(env: NodeJS.ProcessEnv, options: { json: boolean }): Promise<void>;
  status(env: NodeJS.ProcessEnv, options: { json: boolean }): Promise<void>;
}

interface SharedOptions {
  main?: string;
  genesis?: string;
  keyFile?: string;
  name?: string;
  data?: string;
  metricsPort?: string;
}

/** @param env what the options are laid over */
export function workerProgram(actions: Actions, env: NodeJS.ProcessEnv): Command {
  const program = new Command('worker')
    .description('Runs layers of verified models for a main node.')
    .version(VERSION)
    .showHelpAfterError();
  const shared = (command: Command) =>
    command
      .option('--main <url>', 'address of the main node (BLYAN_MAIN_URL)')
      .option('--genesis <hash>', 'network to belong to; default: the one that is joined first')
      .option('--key-file <file>', 'file with the key that the main node gave you (BLYAN_API_KEY)')
      .option('--name <id>', 'name of this worker (BLYAN_NODE_ID)')
      .option('--data <dir>', 'where blobs, key and state are kept (BLYAN_DATA_DIR)');
  const json = 'print JSON for programs';
  shared(program.command('run', { isDefault: true }))
    .description('join and serve; SIGTERM drains, a second one ends at once')
    .option('--metrics-port <port>', 'Prometheus metrics on loopback (BLYAN_WORKER_METRICS_PORT)')
    .action((options: SharedOptions) => actions.run(withOptions(env, options)));
  shared(program.command('doctor'))
    .description('check what a worker needs, and say how to put right what is wrong')
    .option('--json', json, false)
    .action((options: SharedOptions & { json: boolean }) =>
      actions.doctor(withOptions(env, options), options),
    );
  shared(program.command('status'))
    .description('how the worker on this machine is')
    .option('--json', json, false)
    .action((options: SharedOptions & { json: boolean }) =>
      actions.status(withOptions(env, options), options),
    );
  return program;
}

/** A key is read from a file: on the command line every account of the machine could see it. */
function withOptions(env: NodeJS.ProcessEnv, options: SharedOptions): NodeJS.ProcessEnv {
  const { main, genesis, keyFile, name, data, metricsPort } = options;
  const given = {
    BLYAN_MAIN_URL: main,
    BLYAN_GENESIS: genesis,
    BLYAN_API_KEY: keyFile && readFileSync(keyFile, 'utf8').trim(),
    BLYAN_NODE_ID: name,
    BLYAN_DATA_DIR: data,
    BLYAN_WORKER_METRICS_PORT: metricsPort,
  };
  const set = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...env, ...Object.fromEntries(set) };
}
