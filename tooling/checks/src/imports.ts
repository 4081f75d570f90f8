/** Reads the imports of a TypeScript file: static, dynamic, re-exported and `import('x')` types. */
import { parseSync } from 'oxc-parser';

function visit(node: unknown, found: Set<string>): void {
  if (Array.isArray(node)) {
    for (const child of node) visit(child, found);
    return;
  }
  if (typeof node !== 'object' || node === null) return;
  const { type, source } = node as { type?: string; source?: { value?: unknown } };
  const imports =
    type === 'ImportDeclaration' ||
    type === 'ExportNamedDeclaration' ||
    type === 'ExportAllDeclaration' ||
    type === 'ImportExpression' ||
    type === 'TSImportType';
  if (imports && typeof source?.value === 'string') found.add(source.value);
  for (const child of Object.values(node)) visit(child, found);
}

/** @throws Error naming the file when it does not parse */
export function importsOf(file: string, text: string): string[] {
  const { program, errors } = parseSync(file, text);
  if (errors.length > 0) throw new Error(`${file}: ${errors[0]?.message}`);
  const found = new Set<string>();
  visit(program, found);
  return [...found];
}
