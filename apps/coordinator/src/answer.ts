/** One answer in the making: what is certain of it, and which attempt writes it now. */
import type { AnswerEvent } from '@blyan/protocol/answer';
import type { NumericsProfile } from '@blyan/protocol/node';
import type { SamplingParams, TokenLogprobs } from '@blyan/protocol/sampling';
import { AnswerText } from './answer-text.ts';
import type { ServedModel } from './served-model.ts';

export interface Segment {
  attempt: number;
  nodeId: string;
  /** Output position at which the attempt began. */
  position: number;
  layers: [number, number] | null;
  numerics: NumericsProfile | null;
  /** Of a pipeline of several nodes: all of them, the head first. */
  stages: SegmentStage[] | null;
}

export interface SegmentStage {
  nodeId: string;
  layers: [number, number];
  numerics: NumericsProfile;
}

export interface AnswerInput {
  id: string;
  prompt: number[];
  /** So many of the prompt's last tokens are the beginning of the answer, told to readers before. */
  continues: number;
  params: SamplingParams;
  stop: string[];
  /** Last attempt that was started, 0 when none was. */
  attempt: number;
  segments: Segment[];
  /** Unix ms. */
  createdAt: number;
  deadline: number;
  startedAt: number | null;
}

/** Why an answer is complete, as far as its tokens tell. */
export type TokenEnd = 'stop token' | 'stop string' | 'length';

/** New output of a node. */
export interface NewTokens {
  tokens: readonly number[];
  /** One for each token, or not asked for. */
  logprobs?: readonly TokenLogprobs[] | undefined;
}

export type AnswerTokens = Extract<AnswerEvent, { type: 'tokens' }>;

export interface Running {
  nodeId: string;
  /** The node's boot id at the dispatch. */
  boot: string;
  /** Monotonic ms of the last progress. */
  heard: number;
  /** What it wrote last may be lost: if nothing more comes, nothing will. */
  doubted: boolean;
  /** Tokens that the node said it has read. */
  prefilled: number;
}

export class Answer {
  readonly input: AnswerInput;
  readonly model: ServedModel;
  readonly tokens: number[] = [];
  readonly segments: Segment[];
  attempt: number;
  /** Attempts that reached no node, through no fault of the answer. */
  undelivered = 0;
  state: 'waiting' | 'dispatching' | 'running' | 'ended' = 'waiting';
  running: Running | null = null;
  /** Nodes that failed it: taken again only when there is no other. */
  readonly avoid = new Set<string>();
  /** Monotonic ms before which it is not dispatched. */
  notBefore = 0;
  /** Monotonic ms since which no node could serve it; null while one can. */
  unservedSince: number | null = null;
  /** What ended the last attempt. */
  problem: string | null = null;
  /** The last phase that readers were told, to tell them changes only. */
  phase = '';
  phaseAt = 0;
  startedAt: number | null;
  firstTokenAt: number | null = null;
  lastTokenAt: number | null = null;
  /** Tokens that came together with the first one. */
  firstCount = 0;
  #restored = false;
  readonly #text: AnswerText;
  #written = '';
  #thought = '';

  constructor(input: AnswerInput, model: ServedModel) {
    this.input = input;
    this.model = model;
    this.attempt = input.attempt;
    this.segments = [...input.segments];
    this.startedAt = input.startedAt;
    this.#text = new AnswerText({
      detokenizer: model.detokenizer(),
      stops: input.stop,
      thinking: model.thinking,
      inThinking: endsInThinking(input.prompt, model),
    });
    if (input.continues > 0) this.#text.goOnBehind(input.prompt.slice(-input.continues));
  }

  /** How often it was tried on a node. */
  get tries(): number {
    return this.attempt - this.undelivered;
  }
  get id(): string {
    return this.input.id;
  }
  /** Most tokens that it can have. */
  get limit(): number {
    const { prompt, params } = this.input;
    return Math.min(params.maxTokens, this.model.context - prompt.length);
  }
  /** Text so far, without what is held back and without the thinking part. */
  get text(): string {
    return this.#written;
  }
  /** The thinking part so far. */
  get thinking(): string {
    return this.#thought;
  }

  /** An attempt that was claimed begins. */
  begin(segment: Segment, boot: string): void {
    const { attempt, nodeId } = segment;
    this.attempt = attempt;
    this.segments.push(segment);
    this.startedAt ??= Date.now();
    this.state = 'running';
    this.unservedSince = null;
    this.running = { nodeId, boot, heard: performance.now(), doubted: false, prefilled: 0 };
  }

  /** Ids that end it: the model's own and those of the request. */
  get stopTokens(): number[] {
    return [...new Set([...this.model.stopTokens, ...this.input.params.stopTokens])];
  }

  /** Appends tokens that were checked. Those behind the end are not taken. */
  accept(
    { tokens: ids, logprobs }: NewTokens,
    now: number,
  ): { event: AnswerTokens; end: TokenEnd | null } {
    const position = this.tokens.length;
    const taken: number[] = [];
    let end: TokenEnd | null = null;
    for (const id of ids) {
      taken.push(id);
      if (this.#isStop(id)) end = 'stop token';
      else {
        this.#text.push(id, position + taken.length - 1);
        if (this.#text.stopped) end = 'stop string';
        else if (position + taken.length >= this.limit) end = 'length';
      }
      if (end) break;
    }
    for (const id of taken) this.tokens.push(id);
    this.#time(taken.length, now);
    const text = this.#text.take();
    this.#written += text;
    const thinking = this.#text.takeThinking();
    this.#thought += thinking;
    const event: AnswerTokens = { type: 'tokens', position, tokens: taken, text };
    if (thinking !== '') event.thinking = thinking;
    if (logprobs) event.logprobs = logprobs.slice(0, taken.length);
    return { event: { ...event, ...this.#takeShown() }, end };
  }

  /** What was held back behind the last token; call once, at the end. */
  flush(): { text: string; shown?: number[] } {
    const text = this.#text.flush();
    this.#written += text;
    return { text, ...this.#takeShown() };
  }

  #takeShown(): { shown?: number[] } {
    const shown = this.#text.takeShown();
    return this.input.params.logprobs === null ? {} : { shown };
  }

  #isStop(id: number): boolean {
    return this.model.stopTokens.has(id) || this.input.params.stopTokens.includes(id);
  }

  /** Takes what an earlier life of the coordinator wrote; when it came is not known any more. */
  restore(tokens: NewTokens): TokenEnd | null {
    this.#restored = true;
    return this.accept(tokens, 0).end;
  }

  #time(count: number, now: number): void {
    if (this.#restored) return;
    if (this.firstTokenAt === null) {
      this.firstTokenAt = now;
      this.firstCount = count;
    }
    this.lastTokenAt = now;
  }
}

/** In the last turn only: a user who writes the opening token out opens nothing. */
function endsInThinking(prompt: readonly number[], model: ServedModel): boolean {
  const { thinking, stopTokens } = model;
  if (!thinking) return false;
  const last = prompt.findLast(
    (id) => id === thinking.open || id === thinking.close || stopTokens.has(id),
  );
  return last === thinking.open;
}
