/** What a worker needs of the machine: Node, processor, graphics card, memory, disk, engine. */
import { execFile } from 'node:child_process';
import { access, constants, mkdir, readFile, statfs } from 'node:fs/promises';
import { arch, availableParallelism, cpus, platform } from 'node:os';
import { promisify } from 'node:util';
import { type Finding, fail, gib, ok, warn } from './check.ts';

const run = promisify(execFile);
const TOOL_TIMEOUT_MS = 10_000;
/** The embedded model with its cache takes about a gigabyte. */
const LITTLE_MEMORY = 2 * 2 ** 30;
/** Room for the embedded model and its partial downloads. */
const LITTLE_DISK = 2 ** 30;
const NODE = { major: 20, minor: 19 };

export function checkNode(version = process.versions.node): Finding {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > NODE.major || (major === NODE.major && minor >= NODE.minor))
    return ok('node', `Node.js ${version}`);
  return fail(
    'node',
    `Node.js ${version} is too old`,
    `Install Node.js ${NODE.major}.${NODE.minor} or later from https://nodejs.org, or run \`nvm install ${NODE.major}\`.`,
  );
}

/** Instructions that the engine's kernels are written for, the fastest last. */
const FEATURES = ['avx', 'fma', 'avx2', 'f16c', 'avx512f', 'avx512_vnni', 'avx_vnni', 'amx_int8'];

/** @param cpuinfo the text of /proc/cpuinfo, '' where there is none */
export function checkCpu(cpuinfo: string): Finding {
  const model = cpus()[0]?.model.trim() || 'an unknown processor';
  const flags = /^(?:flags|Features)\s*:\s*(.*)$/m.exec(cpuinfo)?.[1]?.split(' ') ?? [];
  const has = FEATURES.filter((feature) => flags.includes(feature));
  const detail = `${model}, ${availableParallelism()} threads${has.length > 0 ? `, ${has.join(' ')}` : ''}`;
  if (arch() === 'x64' && flags.length > 0 && !flags.includes('avx2'))
    return warn(
      'cpu',
      `${detail}: no AVX2, so it runs many times slower`,
      'Use a processor of 2013 or later; in a virtual machine set its processor type to "host".',
    );
  return ok('cpu', detail);
}

/** @param driver a file that a loaded driver makes */
export async function checkGpu(driver = '/proc/driver/nvidia/version'): Promise<Finding> {
  const query = ['--query-gpu=name,driver_version,memory.total', '--format=csv,noheader'];
  try {
    const { stdout } = await run('nvidia-smi', query, { timeout: TOOL_TIMEOUT_MS });
    return ok('gpu', stdout.trim().split('\n').join('; '));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const loaded = await readFile(driver, 'utf8').catch(() => '');
    if (code === 'ENOENT' && loaded === '') return ok('gpu', 'none with a driver: runs on the CPU');
    return warn(
      'gpu',
      `nvidia-smi fails: ${message.split('\n')[0]}`,
      'Install the driver again for the running kernel (Debian: `apt-get install --reinstall nvidia-driver` and a restart; in a container: the NVIDIA Container Toolkit and `--gpus all`). Until then the worker runs on the CPU.',
    );
  }
}

export function checkMemory(available = process.availableMemory()): Finding {
  const constrained = process.constrainedMemory();
  const limited =
    constrained > 0 && constrained < 2 ** 50 ? `, limited to ${gib(constrained)}` : '';
  const detail = `${gib(available)} available${limited}`;
  if (available >= LITTLE_MEMORY) return ok('memory', detail);
  return warn(
    'memory',
    `${detail}: too little for most models`,
    'End other programs, or raise the memory limit of the container (docker: --memory).',
  );
}

/** @param capBytes of BLYAN_WORKER_DISK_MB, 0 for none @param little bytes of which less is worth a warning */
export async function checkDisk(
  dir: string,
  capBytes: number,
  little = LITTLE_DISK,
): Promise<Finding> {
  try {
    await mkdir(dir, { recursive: true });
    await access(dir, constants.W_OK);
    const { bavail, bsize } = await statfs(dir);
    const free = bavail * bsize;
    const cap = capBytes > 0 ? `, of which blobs may take ${gib(capBytes)}` : '';
    const detail = `${gib(free)} free at ${dir}${cap}`;
    if (free >= little) return ok('disk', detail);
    return warn(
      'disk',
      detail,
      'Free some space, or set BLYAN_BLOB_DIR to a directory on another disk.',
    );
  } catch (error) {
    return fail(
      'disk',
      `${dir} cannot be written: ${(error as Error).message}`,
      `Run \`sudo mkdir -p ${dir} && sudo chown $(id -un) ${dir}\`, or set BLYAN_DATA_DIR to a directory of this account.`,
    );
  }
}

/** Whether the engine's native library can be loaded here. */
export async function checkEngine(): Promise<Finding> {
  try {
    const { listSupportedBackends } = await import('onnxruntime-node');
    const names = listSupportedBackends().map(({ name }) => name);
    return ok('engine', `onnxruntime with ${names.join(', ')}`);
  } catch (error) {
    return fail(
      'engine',
      `onnxruntime cannot be loaded on ${platform()} ${arch()}: ${(error as Error).message.split('\n')[0]}`,
      'Run `npm ci` again in this directory; on Alpine use a glibc-based image such as node:20-bookworm-slim.',
    );
  }
}

export const readCpuinfo = (): Promise<string> => readFile('/proc/cpuinfo', 'utf8').catch(() => '');
