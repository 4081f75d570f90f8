/** Layers of a model in a page as it comes: the others are read when they are wanted. */
export const LISTED_LAYERS = 100;
