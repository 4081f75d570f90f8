/** Turns the first complaint of a schema into the `param`, `code` and words of an API error. */
import type { z } from 'zod';

export interface FieldProblem {
  /** Path of the field, e.g. `messages.0.content`; null for the body itself. */
  param: string | null;
  code: string;
  message: string;
}

type Issue = z.core.$ZodIssue;

function codeOf(issue: Issue): string {
  switch (issue.code) {
    case 'too_small':
    case 'too_big':
      return issue.origin === 'string' || issue.origin === 'array'
        ? 'invalid_length'
        : 'out_of_range';
    case 'invalid_type':
      return /received undefined/.test(issue.message) ? 'missing_field' : 'invalid_type';
    case 'invalid_union':
      return 'invalid_type';
    case 'custom':
      return typeof issue.params?.code === 'string' ? issue.params.code : 'invalid_value';
    default:
      return 'invalid_value';
  }
}

export function firstProblem(error: z.ZodError): FieldProblem {
  const issue = error.issues[0];
  if (!issue) return { param: null, code: 'invalid_value', message: 'The request is not valid.' };
  const param = issue.path.length > 0 ? issue.path.map(String).join('.') : null;
  const message = param && issue.code !== 'custom' ? `${param}: ${issue.message}` : issue.message;
  return { param, code: codeOf(issue), message };
}
