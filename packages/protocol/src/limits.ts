/**
 * Bounds on everything that crosses a process or network edge. Named, with the reason beside the
 * number. Model-specific bounds (context, vocabulary) come from the model block instead.
 */

/** Largest JSON request body of the HTTP API. A full 40k-token context is about 200 KB of text. */
export const MAX_BODY_BYTES = 1024 * 1024;
/** Messages in one chat request: far above any real conversation that fits a context. */
export const MAX_MESSAGES = 2048;
/** Stop strings of one request, as in the OpenAI API. */
export const MAX_STOP_STRINGS = 4;
/** Characters in one stop string; longer ones would hold back visible text for too long. */
export const MAX_STOP_LENGTH = 128;
/** Stop token ids of one request: as many as any published model has of its own, many times over. */
export const MAX_STOP_TOKENS = 32;
/** The same and the model's own together; a checkpoint may name 64. */
export const MAX_JOB_STOP_TOKENS = 64 + MAX_STOP_TOKENS;
/** Tokens with a bias, as in the OpenAI API: all of them are touched at each token. */
export const MAX_LOGIT_BIAS = 300;
/** Alternatives with a log-probability, as in the OpenAI API. */
export const MAX_TOP_LOGPROBS = 20;
/** Answers to one prompt: each takes a node's slot. */
export const MAX_CHOICES = 8;
/** Prompts of one request: as many as LangChain sends at a time. */
export const MAX_PROMPTS = 20;
/** Answers to all of them: one connection may not fill the line. */
export const MAX_ANSWERS = 32;
/** Tokens in one event of a node: a 20 ms flush of the fastest model stays far below. */
export const MAX_EVENT_TOKENS = 1024;
/** Characters of an error message that a node may write. */
export const MAX_ERROR_CHARS = 2000;
/** Encoded bytes of one event of a node; longer ones are refused before parsing. */
export const MAX_EVENT_BYTES = 64 * 1024;
/** Wrong blobs that a node tells of at one time, each of another source. */
export const MAX_WRONG_BLOBS = 8;
/** Chunks of a blob: of the longest that a header can name, many times over. */
export const MAX_BLOB_CHUNKS = 2 ** 40;
/** Prompt ids in one job: the largest published dense contexts have 2^17 positions; 8x head room. */
export const MAX_PROMPT_TOKENS = 1 << 20;
