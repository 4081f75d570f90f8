/** The only file that reads the environment. */
import path from 'node:path';
import { DEFAULT_FRAMES, FrameType } from '@blyan/protocol/assignment';
import { z } from 'zod';

const Fields = z.object({
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }),
  REDIS_URL: z.url({ protocol: /^rediss?$/ }),
  NODE_REDIS_URL: z.url({ protocol: /^rediss?$/ }).optional(),
  NODE_REDIS_CA: z.string().min(1).optional(),
  BLYAN_DATA_DIR: z.string().min(1).default('./data'),
  BLYAN_BLOB_DIR: z.string().min(1).optional(),
  BLYAN_MODEL: z.string().min(1).max(100).optional(),
  BLYAN_PIPELINE_FRAMES: FrameType.default(DEFAULT_FRAMES),
  BLYAN_NETWORK: z.string().min(1).max(64).default('blyan-local'),
  BLYAN_REQUEST_TIMEOUT_S: z.coerce.number().int().min(1).max(86_400).default(300),
  BLYAN_RETENTION_H: z.coerce.number().positive().max(87_600).default(24),
  BLYAN_PUBLIC_URL: z.url({ protocol: /^https?$/ }).optional(),
  BLYAN_CONVERSATION_RETENTION_D: z.coerce.number().positive().max(36_500).default(90),
  BLYAN_LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error']).default('info'),
  HF_ENDPOINT: z.url().default('https://huggingface.co'),
  HF_TOKEN: z.string().min(1).optional(),
});

/** A stream that expires while its answer is written would lose the answer's beginning. */
const Env = Fields.refine((env) => env.BLYAN_RETENTION_H * 3600 >= env.BLYAN_REQUEST_TIMEOUT_S, {
  path: ['BLYAN_RETENTION_H'],
  error: 'shorter than BLYAN_REQUEST_TIMEOUT_S',
});

const EXAMPLES: Record<string, string> = {
  DATABASE_URL: 'postgresql://blyan:secret@127.0.0.1:5432/blyan',
  REDIS_URL: 'redis://:secret@127.0.0.1:6379',
  NODE_REDIS_URL: 'rediss://:secret@127.0.0.1:6380',
  NODE_REDIS_CA: './ca.pem',
  BLYAN_DATA_DIR: './data',
  BLYAN_BLOB_DIR: './data/blobs',
  BLYAN_MODEL: 'blyan-guide',
  BLYAN_PIPELINE_FRAMES: 'f16',
  BLYAN_NETWORK: 'blyan-local',
  BLYAN_REQUEST_TIMEOUT_S: '300',
  BLYAN_RETENTION_H: '24',
  BLYAN_PUBLIC_URL: 'https://blyan.example.org',
  BLYAN_CONVERSATION_RETENTION_D: '90',
  BLYAN_LOG_LEVEL: 'info',
  HF_ENDPOINT: 'https://huggingface.co',
  HF_TOKEN: 'hf_...',
};

export type Env = ReturnType<typeof readEnv>;

/** Throws one error that names every wrong variable, with an example. */
export function readEnv(env: NodeJS.ProcessEnv = process.env) {
  const data = check(Env, env);
  const dataDir = path.resolve(data.BLYAN_DATA_DIR);
  const blobDir = path.resolve(data.BLYAN_BLOB_DIR ?? path.join(dataDir, 'blobs'));
  return { ...data, BLYAN_DATA_DIR: dataDir, BLYAN_BLOB_DIR: blobDir };
}

/** For what asks the hub and needs nothing else. Throws as `readEnv`. */
export function readHubEnv(env: NodeJS.ProcessEnv = process.env) {
  return check(Fields.pick({ HF_ENDPOINT: true, HF_TOKEN: true }), env);
}

function check<T>(schema: z.ZodType<T>, env: NodeJS.ProcessEnv): T {
  // An empty variable, as an .env file has it, is one that is not set.
  const set = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ''));
  const parsed = schema.safeParse(set);
  if (!parsed.success) {
    const lines = parsed.error.issues.map((issue) => {
      const name = String(issue.path[0]);
      const problem = set[name] === undefined ? 'is not set' : `is wrong (${issue.message})`;
      return `${name} ${problem}. Example: ${name}=${EXAMPLES[name]}`;
    });
    throw new Error([...new Set(lines)].join('\n'));
  }
  return parsed.data;
}
