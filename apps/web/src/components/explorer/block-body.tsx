import type { Readable } from '@blyan/chain/json';
import type {
  AuthorityBody,
  DerivedGenesisBody,
  GenesisBody,
  LayerBody,
  ModelBody,
  RetireBody,
} from '@blyan/chain/types';
import { Hash } from '@/components/hash';
import { blockHref } from '@/lib/explorer-links';
import { Fact, Facts } from './facts';
import { LayerTensors } from './layer-tensors';
import { ModelInfo } from './model-info';
import { Section } from './section';
import type { Block } from './types';

/** The body by its type. The header's type fixes the body's shape: packages/chain checked it. */
export function BlockBody({ block }: { block: Block }) {
  switch (block.header.type) {
    case 'model':
      return (
        <ModelInfo
          hash={block.hash}
          body={block.body as Readable<ModelBody>}
          heights={block.heights}
        />
      );
    case 'layer':
      return <LayerTensors body={block.body as Readable<LayerBody>} />;
    case 'genesis':
      return <Genesis body={block.body as Readable<GenesisBody | DerivedGenesisBody>} />;
    case 'authority':
      return <Authority body={block.body as Readable<AuthorityBody>} />;
    case 'retire':
      return <Retire body={block.body as Readable<RetireBody>} />;
    default:
      return null;
  }
}

function Genesis({ body }: { body: Readable<GenesisBody | DerivedGenesisBody> }) {
  return (
    <Section title="Genesis">
      <Facts>
        <Fact name="Network">{body.network}</Fact>
        {'root' in body ? (
          <Fact name="Derives from" hint="Genesis of chain A: its one hash fixes all three chains.">
            <Hash value={body.root} href={blockHref('A', body.root)} label="root genesis" />
          </Fact>
        ) : (
          <Fact name="Authorities" hint="Keys that may write, until chain A says otherwise.">
            <ul>
              {body.authorities.map((key) => (
                <li key={key}>
                  <Hash value={key} full label="authority key" />
                </li>
              ))}
            </ul>
          </Fact>
        )}
      </Facts>
    </Section>
  );
}

function Authority({ body }: { body: Readable<AuthorityBody> }) {
  return (
    <Section title="Change of authorities">
      <Facts>
        <Fact name="Action">{body.action === 'add' ? 'add a key' : 'remove a key'}</Fact>
        <Fact name="Key">
          <Hash value={body.key} full label="key" />
        </Fact>
      </Facts>
    </Section>
  );
}

function Retire({ body }: { body: Readable<RetireBody> }) {
  return (
    <Section title="Retired model">
      <Facts>
        <Fact name="Model block">
          <Hash value={body.model} href={blockHref('A', body.model)} label="model block" />
        </Fact>
        <Fact name="Reason">{body.reason}</Fact>
      </Facts>
    </Section>
  );
}
