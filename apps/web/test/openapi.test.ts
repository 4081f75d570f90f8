/** The API's document: valid, about every route, and about the schemas that the routes validate with. */
import { readdir } from 'node:fs/promises';
import path from 'node:path';
import { openApiDocument } from '@blyan/protocol/rest/document';
import type { Operation } from '@blyan/protocol/rest/operation';
import { OPERATIONS } from '@blyan/protocol/rest/registry';
import { validate } from '@readme/openapi-parser';
import { beforeAll, describe, expect, test } from 'vitest';
import type { RouteSchemas } from '../src/server/http/route.ts';

const API = path.resolve(import.meta.dirname, '../src/app/api');
const METHODS = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE'] as const;
/** tRPC and sign-in are for our own pages, in step with them. */
const INTERNAL = /^\/(trpc|auth)\//;

type Handler = ((...args: never[]) => unknown) & { schemas?: RouteSchemas };
const handlers = new Map<string, Handler>();
const nameOf = ({ method, path: at }: Pick<Operation, 'method' | 'path'>) =>
  `${method.toUpperCase()} ${at}`;

beforeAll(async () => {
  const files = await readdir(API, { recursive: true });
  for (const file of files.filter((name) => path.basename(name) === 'route.ts')) {
    const at = `/${path.dirname(file)}`.replace(/\[(?:\.\.\.)?(\w+)\]/g, '{$1}');
    if (INTERNAL.test(at)) continue;
    const module: Record<string, Handler> = await import(path.join(API, file));
    for (const method of METHODS) {
      if (module[method]) handlers.set(`${method} ${at}`, module[method]);
    }
  }
});

test('it is valid OpenAPI 3.1', async () => {
  const document = openApiDocument(OPERATIONS, '1.0.0');
  const result = await validate(structuredClone(document) as Parameters<typeof validate>[0]);
  expect(result.valid ? [] : result.errors).toEqual([]);
});

test('every route is in it, and every path of it is a route', () => {
  expect([...handlers.keys()].sort()).toEqual(OPERATIONS.map(nameOf).sort());
});

test('operation ids are unique', () => {
  const { paths } = openApiDocument(OPERATIONS, '1.0.0') as {
    paths: Record<string, Record<string, { operationId: string }>>;
  };
  const ids = Object.values(paths).flatMap((at) => Object.values(at).map((o) => o.operationId));
  expect(new Set(ids).size).toBe(OPERATIONS.length);
});

describe('schemas are those that validate', () => {
  test.each(OPERATIONS.map((operation) => [nameOf(operation), operation] as const))(
    '%s',
    (name, { params, query, body, example, path: at }) => {
      const schemas = handlers.get(name)?.schemas;
      expect(schemas?.bodySchema).toBe(body);
      expect(schemas?.querySchema).toBe(query);
      expect(schemas?.paramsSchema).toBe(params);
      if (body) expect(body.safeParse(example).success).toBe(true);
      const inPath = [...at.matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      expect(Object.keys(params?.shape ?? {})).toEqual(inPath);
    },
  );
});
