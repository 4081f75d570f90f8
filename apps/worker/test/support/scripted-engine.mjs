// A peer that speaks the engine's side of the IPC protocol. What it does is in the first prompt id:
// 1 says maxTokens tokens, 2 dies after three, 3 goes on until it is cancelled.
const jobs = new Map();
const say = (message) => process.send?.(message);
const keyOf = ({ requestId, attempt }) => `${requestId}/${attempt}`;
const event = (body) => say({ type: 'event', event: body });

const numerics = { provider: 'cpu', runtime: 'test', weights: ['f32'], matmul: 'f32', kv: 'f32' };

function load({ model, slots, genesis }) {
  for (const phase of ['sync', 'fetch', 'verify'])
    say({ type: 'progress', progress: { phase, done: 1, total: 2, unit: 'bytes' } });
  if (model === 'damaged') {
    const message = 'chain B, height 2: tensor model.norm.weight, chunk 0 is damaged';
    say({ type: 'failed', code: 'CHUNK_CORRUPT', message, retry: false });
    return;
  }
  if (model === 'healed') {
    say({ type: 'notice', message: 'a chunk was fetched again' });
    say({ type: 'wrong-blob', wrong: { source: 'http://10.0.0.3:9401', root: genesis, chunk: 7 } });
  }
  say({ type: 'progress', progress: { phase: 'build', done: 4, total: 4, unit: 'layers' } });
  const ready = { model: genesis, name: 'test', layers: [0, 3], numerics, slots, context: 128 };
  say({ type: 'ready', ready });
}

async function run(job) {
  const { requestId, attempt } = job;
  const state = { cancelled: false };
  jobs.set(keyOf(job), state);
  let position = job.emitted.length;
  const script = job.prompt[0];
  const end = script === 3 ? Number.POSITIVE_INFINITY : job.params.maxTokens;
  while (position < end && !state.cancelled) {
    event({ type: 'tokens', requestId, attempt, position, tokens: [position] });
    position += 1;
    if (script === 2 && position === 3) {
      await new Promise((resolve) => setTimeout(resolve, 60));
      process.exit(9);
    }
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  jobs.delete(keyOf(job));
  event({ type: 'done', requestId, attempt, count: position, prefillMs: 1, decodeMs: 1 });
}

process.on('message', (command) => {
  if (command.type === 'load') load(command);
  else if (command.type === 'submit') void run(command.job);
  else if (command.type === 'cancel') {
    const state = jobs.get(keyOf(command));
    if (state) state.cancelled = true;
  }
});
process.on('disconnect', () => process.exit(0));
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
