export const blockHref = (chain: string, ref: string | number) => `/explorer/${chain}/${ref}`;
export const receiptHref = (id: string) => `/explorer/receipt/${id}`;
