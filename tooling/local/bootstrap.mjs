/**
 * The first thing that `npm start`, `npm test` and the other commands run: needs nothing but Node.
 * Checks its version, installs the packages of package-lock.json unless they are there, then runs
 * the TypeScript command in this same process, so that signals reach it directly.
 *
 *   node tooling/local/bootstrap.mjs <command> [arguments]
 */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const MINIMUM = [20, 19];
const COMMANDS = {
  start: 'tooling/local/src/start.ts',
  test: 'tooling/local/src/test.ts',
  check: 'tooling/checks/src/check.ts',
  'model:import': 'tooling/local/src/model-import.ts',
  'api-keys': 'tooling/local/src/api-keys.ts',
  admin: 'tooling/local/src/admin.ts',
  worker: 'tooling/local/src/worker.ts',
  bench: 'tooling/bench/src/main.ts',
  verify: 'tooling/verify/src/main.ts',
  chaos: 'tooling/local/src/chaos/main.ts',
  pictures: 'tooling/local/src/pictures/main.ts',
  install: null,
};

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../..');

function fail(sentence) {
  process.stderr.write(`\n${sentence}\n`);
  process.exit(1);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major > MINIMUM[0] || (major === MINIMUM[0] && minor >= MINIMUM[1])) return;
  fail(
    `Blyan needs Node ${MINIMUM.join('.')} or later and this is ${process.version}: install it from https://nodejs.org or with \`nvm install ${MINIMUM[0]}\`.`,
  );
}

function readJson(file) {
  try {
    return JSON.parse(readFileSync(path.join(root, file), 'utf8'));
  } catch {
    return null;
  }
}

/** npm writes what it installed into node_modules/.package-lock.json as its last step. */
function isInstalled() {
  const wanted = readJson('package-lock.json');
  if (!wanted)
    fail(
      `package-lock.json is missing in ${root}: get it back with \`git checkout package-lock.json\`.`,
    );
  const present = readJson('node_modules/.package-lock.json');
  if (!present) return false;
  return Object.entries(wanted.packages).every(([where, entry]) => {
    // Our own folders; and packages for other platforms, which npm leaves out.
    if (!where.includes('node_modules/') || entry.optional || entry.devOptional || entry.peer)
      return true;
    const got = present.packages[where];
    return got && got.version === entry.version && got.integrity === entry.integrity;
  });
}

function install() {
  const started = Date.now();
  process.stdout.write('Installing packages (npm ci), a minute or two the first time\n');
  // npm's own copy beside this Node when npm runs us, else the one on the PATH.
  const cli = process.env.npm_execpath;
  const byNode = cli && /npm-cli\.[cm]?js$/.test(cli);
  const result = spawnSync(
    byNode ? process.execPath : process.platform === 'win32' ? 'npm.cmd' : 'npm',
    [
      ...(byNode ? [cli] : []),
      'ci',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      '--include=dev',
    ],
    { cwd: root, stdio: 'inherit', shell: process.platform === 'win32' && !byNode },
  );
  if (result.error)
    fail(`npm could not be run (${result.error.message}): install npm, which comes with Node.`);
  if (result.signal) process.kill(process.pid, result.signal);
  if (result.status !== 0) {
    fail(
      'Packages could not be installed; npm says why above. Check the network connection (or the proxy and registry in `npm config ls`) and try again.',
    );
  }
  process.stdout.write(`✓ packages installed (${((Date.now() - started) / 1000).toFixed(1)} s)\n`);
}

checkNode();
const [command, ...args] = process.argv.slice(2);
if (!command || !(command in COMMANDS))
  fail(`Usage: node tooling/local/bootstrap.mjs ${Object.keys(COMMANDS).join('|')}`);
if (!isInstalled()) install();

const script = COMMANDS[command];
if (script) {
  // Nothing that we run phones home.
  process.env.TURBO_TELEMETRY_DISABLED = '1';
  process.env.NEXT_TELEMETRY_DISABLED = '1';
  process.env.DO_NOT_TRACK = '1';
  process.env.CHECKPOINT_DISABLE = '1';
  process.env.PRISMA_HIDE_UPDATE_MESSAGE = '1';
  // Migrations run on the engine's WASM build; this keeps Prisma's CLI from downloading a binary.
  process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= process.execPath;
  process.chdir(root);
  const entry = path.join(root, script);
  process.argv = [process.argv[0], entry, ...args];
  const { register } = await import('tsx/esm/api');
  register();
  await import(pathToFileURL(entry).href);
}
