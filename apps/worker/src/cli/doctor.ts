/** `worker doctor`: all checks, each problem with what puts it right. */
import { toConfig } from '../config.ts';
import { type Finding, fail, ok } from '../doctor/check.ts';
import {
  checkCpu,
  checkDisk,
  checkEngine,
  checkGpu,
  checkMemory,
  checkNode,
  readCpuinfo,
} from '../doctor/machine.ts';
import { checkClock, checkJoin, checkKey, checkMain } from '../doctor/network.ts';
import { readEnv, readStateDirs, refuseForbidden } from '../env.ts';
import { pinnedGenesis } from '../genesis-pin.ts';
import { keptNodeId } from '../node-id.ts';
import { keptNodeKey } from '../node-key.ts';
import { readReport } from '../report.ts';

/** Prints the findings; exit code 1 when something fails. */
export async function runDoctor(
  env: NodeJS.ProcessEnv,
  { json }: { json: boolean },
): Promise<void> {
  const findings: Finding[] = [];
  for await (const finding of diagnose(env)) {
    findings.push(finding);
    if (!json) process.stdout.write(`${lines(finding)}\n`);
  }
  const failed = findings.some(({ state }) => state === 'fail');
  if (json) process.stdout.write(`${JSON.stringify({ ok: !failed, findings })}\n`);
  if (failed) process.exitCode = 1;
}

const SIGNS = { ok: 'ok  ', warn: 'WARN', fail: 'FAIL' } as const;
const lines = ({ name, state, detail, fix }: Finding): string =>
  `${SIGNS[state]} ${name.padEnd(12)} ${detail}${fix ? `\n     fix: ${fix}` : ''}`;

export async function* diagnose(env: NodeJS.ProcessEnv): AsyncGenerator<Finding> {
  const { blobDir, workerDir } = readStateDirs(env);
  yield checkNode();
  yield checkCpu(await readCpuinfo());
  yield await checkGpu();
  yield checkMemory();
  yield await checkEngine();
  let config: ReturnType<typeof toConfig>;
  try {
    refuseForbidden(env);
    config = toConfig(readEnv(env));
  } catch (error) {
    yield await checkDisk(blobDir, 0);
    yield fail(
      'settings',
      (error as Error).message,
      'Set what is named above, and run doctor again.',
    );
    return;
  }
  yield ok('settings', `data in ${workerDir}`);
  yield await checkDisk(config.blobDir, config.diskBytes);
  const main = await checkMain(config);
  yield main;
  if (main.state === 'fail') return;
  yield await checkClock(config);
  const key = await checkKey(config);
  yield key;
  if (key.state === 'fail') return;
  const running = await readReport(workerDir);
  if (running) {
    // Another registration would take its lease.
    const { nodeId, connected } = running;
    const fix = 'Look at its log: it says why Redis of the main node cannot be reached.';
    yield connected
      ? ok('worker', `${nodeId} runs here and is connected`)
      : fail('worker', `${nodeId} runs here and is not connected`, fix);
    return;
  }
  yield* await checkJoinAs(config, workerDir);
}

async function checkJoinAs(config: ReturnType<typeof toConfig>, workerDir: string) {
  const { mainUrl, apiKey } = config;
  try {
    const key = await keptNodeKey(workerDir);
    const nodeId = config.nodeId ?? (await keptNodeId(workerDir));
    const genesis = config.genesis ?? (await pinnedGenesis(workerDir));
    return await checkJoin({ mainUrl, apiKey, genesis, nodeId, key });
  } catch (error) {
    const fix = 'Put right what is named here, and run doctor again.';
    return [fail('join', (error as Error).message, fix)];
  }
}
