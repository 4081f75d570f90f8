/** `worker status`: what the worker of this data directory says of itself. */
import { readStateDirs } from '../env.ts';
import { readReport, type WorkerReport } from '../report.ts';

const MIB = 2 ** 20;

/** Prints; exit code 3 when no worker runs there, as service managers have it. */
export async function runStatus(
  env: NodeJS.ProcessEnv,
  { json }: { json: boolean },
): Promise<void> {
  const { workerDir } = readStateDirs(env);
  const report = await readReport(workerDir);
  if (!report) process.exitCode = 3;
  if (json) process.stdout.write(`${JSON.stringify(report)}\n`);
  else if (report) process.stdout.write(`${describe(report).join('\n')}\n`);
  else process.stdout.write(`No worker runs on ${workerDir}.\n`);
}

function describe(report: WorkerReport): string[] {
  const { node } = report;
  const ago = Math.round((Date.now() - report.renewedAt) / 1000);
  const lines = [
    `${report.nodeId} ${report.version}, process ${report.pid}, at ${report.main}`,
    `state     ${node?.state ?? 'starting'}${report.connected ? '' : ', not connected'}`,
    `lease     renewed ${ago} s ago`,
    `answers   ${report.running} running, ${report.done} done, ${report.failed} failed`,
    `tokens    ${report.tokens}`,
    `blobs     ${Math.round(report.blobBytes / MIB)} MiB${report.blobCapBytes ? ` of ${Math.round(report.blobCapBytes / MIB)}` : ''}`,
  ];
  if (node?.layers) lines.push(`layers    ${node.layers.join(' to ')}`);
  if (node?.progress) {
    const { phase, done, total } = node.progress;
    lines.push(`loading   ${phase} ${total > 0 ? Math.floor((100 * done) / total) : 0}%`);
  }
  if (node?.failure) lines.push(`failure   ${node.failure.code}: ${node.failure.message}`);
  for (const notice of node?.notices ?? []) lines.push(`notice    ${notice}`);
  return lines;
}
