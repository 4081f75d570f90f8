export const blockHref = (chain: string, ref: string | number) => `/explorer/${chain}/${ref}`;
