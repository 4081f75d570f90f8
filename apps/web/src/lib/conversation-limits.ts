/** Bounds that pages show, apart from the schemas: those bring a parser along. */

/** Characters of a question: more than the longest published context holds, and far below a body's limit. */
export const MAX_QUESTION = 200_000;
export const MAX_TITLE = 120;
