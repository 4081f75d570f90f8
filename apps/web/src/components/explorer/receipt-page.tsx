import type { Receipt } from '@blyan/protocol/answer';
import type { ReceiptDetails } from '@blyan/protocol/explorer';
import Link from 'next/link';
import { CopyButton } from '@/components/copy-button';
import { Hash } from '@/components/hash';
import { Problem } from '@/components/problem';
import { Refresh } from '@/components/refresh';
import { RelativeTime } from '@/components/relative-time';
import { State } from '@/components/state';
import { blockHref, lineageHref, modelHref, nodeHref } from '@/lib/explorer-links';
import { formatCount, formatDuration, formatRate } from '@/lib/format';
import { penaltiesOf } from '@/lib/sampling';
import { Fact, Facts } from './facts';
import { Section } from './section';
import { TokenList } from './token-list';

/** Most answers end within seconds. */
const REFRESH_MS = 2000;

const STATUS = {
  queued: ['busy', 'waiting'],
  running: ['busy', 'being written'],
  completed: ['good', 'finished'],
  cancelled: ['warn', 'stopped before its end'],
  failed: ['bad', 'failed'],
} as const;

export function ReceiptPage({ answer }: { answer: ReceiptDetails }) {
  const [kind, word] = STATUS[answer.status];
  return (
    <>
      <h1 className="text-xl font-semibold tracking-tight">Receipt</h1>
      <p className="mt-1 max-w-prose text-soft">
        What ran where for one answer, with the blocks that its weights came from. The text itself
        is not part of it. Whoever has this address can read the answer.
      </p>
      {answer.receipt && (
        <p className="mt-2 text-sm">
          <Link className="link" href={lineageHref({ answer: answer.id })}>
            Follow its weights
          </Link>
        </p>
      )}
      <div className="mt-6">
        <Facts>
          <Fact name="Answer">
            <span className="font-mono text-[0.8125rem] break-all">{answer.id}</span>
          </Fact>
          <Fact name="State">
            <State kind={kind}>{word}</State>
          </Fact>
          <Fact name="Asked">
            <RelativeTime time={answer.createdAt} />
          </Fact>
        </Facts>
      </div>
      {answer.error && (
        <div className="mt-6 max-w-3xl">
          <Problem title={answer.error.message}>
            <p>Code: {answer.error.code}</p>
          </Problem>
        </div>
      )}
      {answer.receipt ? (
        <ReceiptBody receipt={answer.receipt} />
      ) : answer.status === 'queued' || answer.status === 'running' ? (
        <>
          <p className="mt-6 text-sm text-soft">
            The receipt is written when the answer has ended, and appears here then.
          </p>
          <Refresh everyMs={REFRESH_MS} />
        </>
      ) : (
        <p className="mt-6 text-sm text-soft">
          This answer ended without a receipt, because no worker finished it.
        </p>
      )}
    </>
  );
}

function ReceiptBody({ receipt }: { receipt: Receipt }) {
  const { model, layerBlocks, nodes, params, usage, timings, tokens } = receipt;
  return (
    <>
      <Section title="Weights">
        <Facts>
          <Fact name="Model">
            <span className="flex flex-wrap items-center gap-x-3">
              <Link className="link" href={modelHref(model.block.hash)}>
                {model.name}
              </Link>
              <Hash
                value={model.block.hash}
                href={blockHref('A', model.block.hash)}
                label="model block"
              />
            </span>
          </Fact>
          <Fact name="Network" hint="Genesis of chain A.">
            <Hash value={receipt.genesis} href={blockHref('A', receipt.genesis)} label="genesis" />
          </Fact>
        </Facts>
        <details className="mt-3 text-sm">
          <summary className="text-soft hover:text-ink">
            {formatCount(layerBlocks.length)} layer blocks
          </summary>
          <div className="overflow-x-auto">
            <table className="data-table mt-2 max-w-xl">
              <thead>
                <tr>
                  <th scope="col">Group</th>
                  <th scope="col" className="!text-right">
                    Height
                  </th>
                  <th scope="col">Block</th>
                </tr>
              </thead>
              <tbody>
                {layerBlocks.map(({ group, chain, height, hash }) => (
                  <tr key={group}>
                    <td>{group}</td>
                    <td className="text-right">
                      <Link className="link" href={blockHref(chain, hash)}>
                        {height}
                      </Link>
                    </td>
                    <td>
                      <Hash value={hash} label={`block of ${group}`} />
                    </td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </details>
      </Section>
      <Section title="Workers">
        <div className="overflow-x-auto">
          <table className="data-table">
            <thead>
              <tr>
                <th scope="col">Worker</th>
                <th scope="col">Layers</th>
                <th scope="col">Wrote tokens</th>
                <th scope="col">Attempt</th>
                <th scope="col">Numerics</th>
              </tr>
            </thead>
            <tbody>
              {nodes.map(({ id, attempt, layers, positions, numerics }) => (
                <tr key={`${id}-${attempt}`}>
                  <td>
                    <Link className="link font-mono text-[0.8125rem]" href={nodeHref(id)}>
                      {id}
                    </Link>
                  </td>
                  <td>
                    {layers[0]} to {layers[1]}
                  </td>
                  <td>
                    {positions[1] > positions[0]
                      ? `${positions[0]} to ${positions[1] - 1}`
                      : 'none'}
                  </td>
                  <td>{attempt}</td>
                  <td className="text-soft">
                    {numerics.provider}, {numerics.runtime}, {numerics.weights.join(' ')},{' '}
                    {numerics.matmul}, KV {numerics.kv}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </Section>
      <Section title="Parameters">
        <Facts>
          <Fact name="Seed">
            <span className="group/hash inline-flex items-center gap-1.5 tabular-nums">
              {params.seed}
              <CopyButton quiet text={String(params.seed)} label="Copy seed" />
            </span>
          </Fact>
          <Fact name="Temperature">{params.temperature || '0, greedy'}</Fact>
          <Fact name="top_p">{params.topP}</Fact>
          <Fact name="top_k">{params.topK || 'off'}</Fact>
          <Fact name="min_p">{params.minP || 'off'}</Fact>
          <Fact name="Penalties">{penaltiesOf(params)}</Fact>
          {params.logitBias.length > 0 && (
            <Fact name="logit_bias" hint="Added to the logit of a token.">
              <TokenList
                entries={params.logitBias.map(
                  ([id, bias]) => `${id}: ${bias > 0 ? '+' : ''}${bias}`,
                )}
              />
            </Fact>
          )}
          {params.stopTokens.length > 0 && (
            <Fact name="Stop tokens" hint="Beside those of the model.">
              <TokenList entries={params.stopTokens.map(String)} />
            </Fact>
          )}
          {params.logprobs !== null && (
            <Fact name="Log-probabilities">
              of each token{params.logprobs > 0 && ` and ${params.logprobs} alternatives`}
            </Fact>
          )}
          <Fact name="Longest answer">{formatCount(params.maxTokens)} tokens</Fact>
        </Facts>
      </Section>
      <Section title="Result">
        <Facts>
          <Fact name="Ended by">{ENDED[receipt.finishReason]}</Fact>
          <Fact name="Tokens">
            {formatCount(usage.promptTokens)} read, {formatCount(usage.completionTokens)} written
          </Fact>
          <Fact name="Times">
            {formatDuration(timings.queuedMs)} queued
            {timings.firstTokenMs !== null &&
              `, ${formatDuration(timings.firstTokenMs)} to the first token`}
            , {formatDuration(timings.totalMs)} in all
            {timings.tokensPerSecond !== null && `, ${formatRate(timings.tokensPerSecond)}`}
          </Fact>
          <Fact
            name="Token hash"
            hint="Salted, so that it proves what the tokens were without showing them."
          >
            <Hash value={tokens.hash} label="token hash" />
          </Fact>
        </Facts>
      </Section>
    </>
  );
}

const ENDED = {
  stop: 'the model itself, or a stop text',
  length: 'the length limit',
  cancelled: 'the reader, who stopped it',
} as const;
