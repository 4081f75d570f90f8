/** The unmodified npm clients that people use with OpenAI's API, on the running product. */
import pg from 'pg';
import { afterAll, beforeAll, expect, vi } from 'vitest';
import { POSTGRES_USER } from '../../src/postgres.ts';
import { type Product, startProduct } from '../../src/product.ts';
import { readServices } from '../../src/secrets.ts';
import { DATABASE } from '../../src/services.ts';
import { aiSdkTests } from './clients/ai-sdk.ts';
import { erasingTests } from './clients/erasing.ts';
import { langchainTests } from './clients/langchain.ts';
import { limitTests } from './clients/limits.ts';
import { openaiTests } from './clients/openai.ts';
import { type ClientContext, PATIENT_MS } from './clients/support.ts';
import { slowEngine, type TempDir, tempDataDir } from './support.ts';

const SLOTS = 2;
const MAX_WAITING = 3;

let data: TempDir;
let product: Product;
let database: pg.Client;
beforeAll(async () => {
  data = await tempDataDir();
  product = await startProduct({
    dataDir: data.dir,
    env: { BLYAN_WORKER_SLOTS: String(SLOTS), BLYAN_MAX_WAITING: String(MAX_WAITING) },
  });
  const { postgres } = await readServices(data.dir);
  database = new pg.Client({
    host: '127.0.0.1',
    port: postgres.port,
    user: POSTGRES_USER,
    password: postgres.password,
    database: DATABASE,
  });
  await database.connect();
});
afterAll(async () => {
  await database?.end();
  await product?.stop();
  await data[Symbol.asyncDispose]();
});

const rows = async () =>
  (await database.query<{ id: string; status: string }>('SELECT id, status FROM "Request"')).rows;

const context: ClientContext = {
  baseUrl: () => `${product.url}/v1`,
  apiUrl: () => `${product.url}/api/v1`,
  slow: () => slowEngine(product),
  answers: async () => (await rows()).map(({ id }) => id),
  queued: async () => (await rows()).filter(({ status }) => status === 'queued').length,
  dataDir: () => data.dir,
  slots: SLOTS,
  maxWaiting: MAX_WAITING,
  async untilCancelled(before, count = 1) {
    await vi.waitFor(
      async () => {
        const asked = (await rows()).filter(({ id }) => !before.includes(id));
        const statuses = asked.map(({ status }) => status);
        expect(statuses).toEqual(Array(count).fill('cancelled'));
      },
      { timeout: PATIENT_MS, interval: 100 },
    );
  },
};

openaiTests(context);
aiSdkTests(context);
langchainTests(context);
limitTests(context);
erasingTests(context);
