import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  copySources,
  databaseModules,
  productionModules,
  readCompose,
  readDockerfile,
  substitute,
} from '../src/docker.ts';
import { exampleVariables, namesIn } from '../src/env-example.ts';

const ROOT = path.resolve(import.meta.dirname, '../../..');
const APPS = ['web', 'coordinator', 'worker'] as const;

describe.each(APPS)('apps/%s/Dockerfile', (app) => {
  const text = readFileSync(path.join(ROOT, 'apps', app, 'Dockerfile'), 'utf8');
  const instructions = readDockerfile(text);

  test('copies only what exists', () => {
    const sources = copySources(instructions);
    expect(sources.length).toBeGreaterThan(3);
    for (const source of sources) expect(existsSync(path.join(ROOT, source)), source).toBe(true);
  });

  test('ends as an ordinary user, on Node 20, from several stages', () => {
    const from = instructions.filter(({ name }) => name === 'FROM');
    expect(from.length).toBe(3);
    for (const { args } of from) expect(args).toMatch(/^node:20-bookworm-slim/);
    expect(instructions.filter(({ name }) => name === 'USER').at(-1)?.args).toBe('node');
  });

  test('the last stage takes no sources and no secrets', () => {
    const last = text.slice(text.lastIndexOf('\nFROM '));
    expect(last).not.toMatch(/COPY (\.|packages|apps\/\w+\/src)/);
    expect(text).not.toMatch(/password|secret|API_KEY|TOKEN/i);
  });
});

test("no database code in what the worker's image installs", () => {
  const modules = productionModules(ROOT, 'apps/worker');
  expect(modules.size).toBeGreaterThan(10);
  expect([...modules].some((where) => where.endsWith('/onnxruntime-node'))).toBe(true);
  expect(databaseModules(modules)).toEqual([]);
  // The same look at the coordinator finds it: the check can see what it looks for.
  expect(databaseModules(productionModules(ROOT, 'apps/coordinator'))).not.toEqual([]);
});

test("the worker's bundle holds no database code", () => {
  const dist = path.join(ROOT, 'apps/worker/dist/main.js');
  expect(existsSync(dist), 'apps/worker is built (npm test builds it)').toBe(true);
  const bundle = readFileSync(dist, 'utf8');
  expect(bundle).not.toMatch(/packages\/db\/|@prisma\/|PrismaClient|pg-protocol/);
});

describe('docker-compose.yml', () => {
  const compose = readCompose(ROOT);
  const chosen = { POSTGRES_PASSWORD: 'pw1', REDIS_PASSWORD: 'pw2', BLYAN_API_KEY: 'k'.repeat(32) };
  const environment = (service: string, env: Record<string, string>) =>
    Object.fromEntries(
      Object.entries(compose.services[service]?.environment ?? {}).map(([name, value]) => [
        name,
        substitute(value, env),
      ]),
    );

  test('every service that stays has a health check, and what it names exists', () => {
    for (const [name, service] of Object.entries(compose.services)) {
      if (name !== 'init') expect(service.healthcheck?.test.length, name).toBeGreaterThan(1);
      // An unquoted `a: b` is a mapping, and compose refuses the file.
      for (const part of [service.command ?? [], service.healthcheck?.test ?? []].flat())
        expect(part, name).toBeTypeOf('string');
      for (const network of service.networks ?? [])
        expect(compose.networks).toHaveProperty(network);
      for (const other of Object.keys(service.depends_on ?? {})) {
        expect(compose.services).toHaveProperty(other);
      }
      for (const volume of service.volumes ?? []) {
        expect(compose.volumes).toHaveProperty(volume.split(':')[0] as string);
      }
      if (!service.build) continue;
      const { dockerfile, target } = service.build;
      const text = readFileSync(path.join(ROOT, dockerfile), 'utf8');
      if (target) expect(text).toMatch(new RegExp(`^FROM .* AS ${target}$`, 'm'));
    }
  });

  test('there are no secrets in it: without them in .env it says what to set', () => {
    for (const name of Object.keys(chosen)) {
      expect(() => environment('worker', {}), name).toThrow('is not set');
      expect(() => environment('web', { ...chosen, [name]: '' })).toThrow(`${name} is not set`);
    }
  });

  test.each(APPS)("the environment of %s passes the app's own schema", async (app) => {
    const file = path.join(ROOT, 'apps', app, 'src', 'env.ts');
    const module = await import(pathToFileURL(file).href);
    const given: Record<string, string> = environment(app, chosen);
    // The start command fills it in from the volume.
    if (app === 'worker') given.BLYAN_GENESIS = exampleVariables(ROOT).BLYAN_GENESIS as string;
    expect(() => (module.readEnv ?? module.readConfig)(given)).not.toThrow();
  });

  /** What a container has a fixed place for, and what imports need, which the init service does. */
  const FIXED = /^(PORT|HOST|BLYAN_BLOB_DIR|BLYAN_WORKER_DIR|BLYAN_WORKER_METRICS_PORT|HF_\w+)$/;
  const read = (app: string) =>
    namesIn(readFileSync(path.join(ROOT, 'apps', app, 'src', 'env.ts'), 'utf8'));

  test.each(APPS)('%s gets every variable that it reads', (app) => {
    const wanted = read(app).filter((name) => !FIXED.test(name));
    // The link to the first admin is made by the init service.
    const without = app === 'coordinator' ? ['BLYAN_PUBLIC_URL'] : [];
    expect(Object.keys(compose.services[app]?.environment ?? {})).toEqual(
      expect.arrayContaining(wanted.filter((name) => !without.includes(name))),
    );
  });

  test("the certificate of the nodes' Redis is a file of the host, where one is named", () => {
    const file = compose.secrets?.['node-redis-ca']?.file ?? '';
    expect(substitute(file, { NODE_REDIS_CA: './ca.pem' })).toBe('./ca.pem');
    expect(substitute(file, {})).toBe('/dev/null');
    for (const service of ['web', 'coordinator']) {
      const { NODE_REDIS_CA: inside } = environment(service, { ...chosen, NODE_REDIS_CA: 'x' });
      expect(inside).toBe('/run/secrets/node-redis-ca');
      expect(environment(service, chosen).NODE_REDIS_CA).toBe('');
      expect(compose.services[service]?.secrets).toEqual(['node-redis-ca']);
    }
  });

  test('the worker gets the model to serve and Redis from the main node only', () => {
    const given = environment('worker', chosen);
    expect(given).not.toHaveProperty('BLYAN_MODEL');
    expect(given).not.toHaveProperty('REDIS_URL');
  });

  test('Redis refuses writes before its container is full, and values as large as the local one does', () => {
    const { command = [], mem_limit = '' } = compose.services.redis ?? {};
    const line = command.join(' ');
    const [, maxmemory] = /--maxmemory (\d+)gb /.exec(line) ?? [];
    expect(Number(maxmemory) * 2).toBeLessThanOrEqual(Number.parseInt(mem_limit, 10));
    expect(line).toContain('--maxmemory-policy noeviction');
    const local = readFileSync(path.join(ROOT, 'tooling/local/src/redis.ts'), 'utf8');
    for (const name of ['proto-max-bulk-len', 'client-query-buffer-limit']) {
      const [, value] = new RegExp(`'${name} (\\w+)'`).exec(local) ?? [];
      expect(line).toContain(`--${name} ${value}`);
    }
  });

  test.each(['docker-compose.yml', 'docker-compose.worker.yml'])(
    'nobody of %s fills the disk with its log, or the machine with processes',
    (file) => {
      for (const [name, service] of Object.entries(readCompose(ROOT, file).services)) {
        const { 'max-size': size, 'max-file': files } = service.logging?.options ?? {};
        expect(size, name).toMatch(/^\d+m$/);
        // Compose refuses a number here.
        expect(files, name).toBeTypeOf('string');
        if (name !== 'init') expect(service.pids_limit, name).toBeGreaterThan(0);
        if (name !== 'worker') continue;
        expect(substitute(service.mem_limit ?? '', {})).toBe('0');
        expect(substitute(service.mem_limit ?? '', { WORKER_MEMORY: '16g' })).toBe('16g');
      }
    },
  );

  test('who stays may finish its work before it is killed', () => {
    for (const [name, service] of Object.entries(compose.services)) {
      if (name === 'init') continue;
      expect(Number.parseInt(service.stop_grace_period ?? '10', 10), name).toBeGreaterThan(10);
    }
  });

  test('PostgreSQL is healthy when it listens where the others ask', () => {
    expect(compose.services.postgres?.healthcheck?.test.join(' ')).toContain('--host 127.0.0.1');
  });

  test('the worker has no way to PostgreSQL', () => {
    expect(compose.services.worker?.networks).toEqual(['nodes']);
    expect(compose.services.postgres?.networks).toEqual(['trusted']);
    expect(Object.keys(compose.services.worker?.environment ?? {})).not.toContain('DATABASE_URL');
  });
});

describe('docker-compose.worker.yml', () => {
  const compose = readCompose(ROOT, 'docker-compose.worker.yml');
  const { environment = {}, ...worker } = compose.services.worker ?? {};
  const given = (env: Record<string, string>) =>
    Object.fromEntries(Object.entries(environment).map(([name, v]) => [name, substitute(v, env)]));
  const chosen = { BLYAN_MAIN_URL: 'https://blyan.example.org', BLYAN_API_KEY: 'k'.repeat(32) };

  test('is the same worker alone: its image, its volume, and all of its settings', () => {
    const beside = readCompose(ROOT).services.worker;
    expect(Object.keys(compose.services)).toEqual(['worker']);
    expect(worker.build).toEqual(beside?.build);
    expect(worker.volumes).toEqual(['worker:/data']);
    expect(compose.volumes).toHaveProperty('worker');
    expect(Object.keys(environment).sort()).toEqual(Object.keys(beside?.environment ?? {}).sort());
  });

  test('says what must be set, and passes what is set', async () => {
    for (const name of Object.keys(chosen))
      expect(() => given({ ...chosen, [name]: '' })).toThrow(`${name} is not set`);
    const { readEnv } = await import(pathToFileURL(path.join(ROOT, 'apps/worker/src/env.ts')).href);
    for (const [name, value] of Object.entries(environment))
      if (name !== 'BLYAN_DATA_DIR') expect(value).toMatch(new RegExp(`^\\$\\{${name}:[-?]`));
    expect(() => readEnv(given({ ...exampleVariables(ROOT), ...chosen }))).not.toThrow();
    expect(() => readEnv(given(chosen))).not.toThrow();
  });

  test('drains before it is killed, and is healthy while its program says so', () => {
    expect(worker.stop_grace_period).toBe('120s');
    expect(worker.healthcheck?.test).toEqual([
      ...['CMD', 'node', 'apps/worker/dist/main.js', 'status', '--json'],
    ]);
  });
});

describe('deploy/blyan-worker.service', () => {
  const lines = readFileSync(path.join(ROOT, 'deploy/blyan-worker.service'), 'utf8').split('\n');
  const of = (name: string) =>
    lines.flatMap((line) => (line.startsWith(`${name}=`) ? [line.slice(name.length + 1)] : []));

  test('starts what the build makes, by an account of its own', () => {
    const [program = ''] = of('ExecStart');
    expect(program).toBe('/usr/bin/node apps/worker/dist/main.js run');
    expect(existsSync(path.join(ROOT, program.split(' ')[1] ?? ''))).toBe(true);
    expect(of('User')).toEqual(['blyan']);
    const [docs = ''] = of('Documentation');
    const inside = path.relative(of('WorkingDirectory')[0] ?? '', docs.replace('file://', ''));
    expect(existsSync(path.join(ROOT, inside)), inside).toBe(true);
  });

  test('settings and secrets are in a file of their own, data where it may write', () => {
    expect(of('EnvironmentFile')).toEqual(['/etc/blyan-worker.env']);
    const [fixed = ''] = of('Environment');
    const data = /BLYAN_DATA_DIR=(\S+)/.exec(fixed)?.[1];
    expect(of('ReadWritePaths')).toEqual([data]);
    expect(fixed).not.toMatch(/KEY|TOKEN|SECRET|_URL/);
  });

  test('drains as long as in a container, and may run what the engine compiles', () => {
    expect(of('KillMode')).toEqual(['mixed']);
    expect(`${of('TimeoutStopSec')}s`).toBe(
      readCompose(ROOT, 'docker-compose.worker.yml').services.worker?.stop_grace_period,
    );
    expect(of('Restart')).toEqual(['on-failure']);
    // V8 writes code and runs it.
    expect(of('MemoryDenyWriteExecute')).toEqual([]);
  });
});
