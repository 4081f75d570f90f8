/** The graph check: directions between parts, cycles, purity of the isomorphic packages, the worker. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { glob } from 'tinyglobby';
import { importsOf } from './imports.ts';
import { nodeOnlyFiles, partOf, readManifest, resolveImport } from './resolve.ts';
import { EXTRA, NOT_IN_WORKER, PACKAGES, PARTS } from './rules.ts';

export interface Graph {
  /** Files of ours: what each imports of ours. */
  files: Map<string, Set<string>>;
  npm: Map<string, Set<string>>;
  node: Map<string, Set<string>>;
  problems: string[];
}

/** Tests and configuration: not part of what is shipped. */
const isTest = (file: string) =>
  /\/(test|tests|bench)\/|\.test\.tsx?$|\.config\.[cm]?[jt]s$/.test(file);

export async function readGraph(root: string): Promise<Graph> {
  const graph: Graph = { files: new Map(), npm: new Map(), node: new Map(), problems: [] };
  const files = await glob(
    ['apps', 'packages', 'tooling'].map((dir) => `${dir}/*/**/*.{ts,tsx,mts,mjs}`),
    {
      cwd: root,
      ignore: ['**/node_modules/**', '**/dist/**', '**/.next/**', '**/generated/**', '**/*.d.ts'],
    },
  );
  for (const file of files.sort()) {
    const edges = {
      file: new Set<string>(),
      npm: new Set<string>(),
      node: new Set<string>(),
    };
    try {
      for (const specifier of importsOf(file, readFileSync(path.join(root, file), 'utf8'))) {
        for (const target of resolveImport(root, file, specifier)) {
          if (target.kind === 'file') edges.file.add(target.file);
          else if (target.kind !== 'missing') edges[target.kind].add(target.name);
          else if (!/generated\//.test(specifier)) graph.problems.push(`${file}: ${target.why}`);
        }
      }
    } catch (error) {
      graph.problems.push((error as Error).message);
    }
    graph.files.set(file, edges.file);
    graph.npm.set(file, edges.npm);
    graph.node.set(file, edges.node);
  }
  return graph;
}

export function checkDirections(graph: Graph): string[] {
  const problems: string[] = [];
  for (const [file, imports] of graph.files) {
    const from = partOf(file);
    const rule = from ? PARTS[from] : undefined;
    if (!from || !rule) {
      problems.push(
        `${file}: belongs to no part; add it to the table of tooling/checks/src/rules.ts`,
      );
      continue;
    }
    const may: readonly string[] = isTest(file)
      ? [...PACKAGES, 'local']
      : [...(rule.may === '*' ? PACKAGES : rule.may), ...(EXTRA[from] ?? [])];
    for (const target of imports) {
      const to = partOf(target);
      if (to === null || to === from || may.includes(to)) continue;
      problems.push(`${file}: ${from} must not import ${to} (${target})`);
    }
  }
  return problems;
}

export function checkIsomorphic(root: string, graph: Graph): string[] {
  const problems: string[] = [];
  for (const { dir, isomorphic } of Object.values(PARTS)) {
    if (!isomorphic) continue;
    const allowed = nodeOnlyFiles(root, dir);
    for (const [file, modules] of graph.node) {
      if (!file.startsWith(`${dir}/src/`) || modules.size === 0 || allowed.has(file)) continue;
      problems.push(
        `${file}: imports node:${[...modules].join(', node:')} but runs in browsers too`,
      );
    }
  }
  return problems;
}

/** Strongly connected components with more than one member (Tarjan), or one that points at itself. */
export function cycles(edges: Map<string, Set<string>>): string[][] {
  const index = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const onStack = new Set<string>();
  const found: string[][] = [];
  const connect = (node: string): void => {
    index.set(node, index.size);
    low.set(node, index.get(node) as number);
    stack.push(node);
    onStack.add(node);
    for (const next of edges.get(node) ?? []) {
      if (!index.has(next)) connect(next);
      if (onStack.has(next)) {
        low.set(node, Math.min(low.get(node) as number, low.get(next) as number));
      }
    }
    if (low.get(node) !== index.get(node)) return;
    const component: string[] = [];
    for (let member = ''; member !== node; ) {
      member = stack.pop() as string;
      onStack.delete(member);
      component.push(member);
    }
    if (component.length > 1 || edges.get(node)?.has(node)) found.push(component.reverse());
  };
  for (const node of edges.keys()) if (!index.has(node)) connect(node);
  return found;
}

function partEdges(root: string, graph: Graph): Map<string, Set<string>> {
  const edges = new Map<string, Set<string>>();
  for (const [name, { dir }] of Object.entries(PARTS)) {
    const declared = Object.keys(readManifest(root, dir).dependencies ?? {})
      .filter((dependency) => dependency.startsWith('@blyan/'))
      .map((dependency) => dependency.slice('@blyan/'.length));
    edges.set(name, new Set(declared));
  }
  for (const [file, imports] of graph.files) {
    if (isTest(file)) continue;
    const from = partOf(file);
    for (const target of imports) {
      const to = partOf(target);
      if (from && to && from !== to) edges.get(from)?.add(to);
    }
  }
  return edges;
}

export function checkCycles(root: string, graph: Graph): string[] {
  return [
    ...cycles(graph.files).map((cycle) => `import cycle between files: ${cycle.join(' -> ')}`),
    ...cycles(partEdges(root, graph)).map((cycle) => `cycle between parts: ${cycle.join(' -> ')}`),
  ];
}

interface LockEntry {
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

/** Everything that the worker's sources reach: our files, and npm packages with theirs. */
export function workerReach(root: string, graph: Graph): { files: Set<string>; npm: Set<string> } {
  const files = new Set<string>();
  const npm = new Set<string>();
  const queue = [...graph.files.keys()].filter((file) => file.startsWith('apps/worker/src/'));
  for (let file = queue.pop(); file; file = queue.pop()) {
    if (files.has(file)) continue;
    files.add(file);
    for (const name of graph.npm.get(file) ?? []) npm.add(name);
    queue.push(...(graph.files.get(file) ?? []));
  }
  const lock = JSON.parse(readFileSync(path.join(root, 'package-lock.json'), 'utf8')) as {
    packages: Record<string, LockEntry>;
  };
  const pending = [...npm];
  for (let name = pending.pop(); name; name = pending.pop()) {
    const entry = lock.packages[`node_modules/${name}`];
    for (const next of Object.keys({ ...entry?.dependencies, ...entry?.optionalDependencies })) {
      if (npm.has(next)) continue;
      npm.add(next);
      pending.push(next);
    }
  }
  return { files, npm };
}

export function checkWorker(root: string, graph: Graph): string[] {
  const { files, npm } = workerReach(root, graph);
  return [
    ...[...files]
      .filter((file) => NOT_IN_WORKER.parts.includes(partOf(file) ?? ''))
      .map((file) => `the worker reaches ${file}`),
    ...[...npm]
      .filter((name) => NOT_IN_WORKER.packages.test(name))
      .map((name) => `the worker reaches the package ${name}, which is database code`),
  ];
}

export async function checkGraph(root: string): Promise<string[]> {
  const graph = await readGraph(root);
  return [
    ...graph.problems,
    ...checkDirections(graph),
    ...checkIsomorphic(root, graph),
    ...checkCycles(root, graph),
    ...checkWorker(root, graph),
  ];
}
