export const blockHref = (chain: string, ref: string | number) => `/explorer/${chain}/${ref}`;
export const modelHref = (hash: string) => `/explorer/model/${hash}`;
export const tensorHref = (root: string) => `/explorer/tensor/${root}`;
export const nodeHref = (id: string) => `/explorer/node/${id}`;
export const receiptHref = (id: string) => `/explorer/receipt/${id}`;

/** Where the graph stands: any of them, from the answer to the bytes. */
export interface LineagePlace {
  answer?: string | undefined;
  model?: string | undefined;
  group?: string | undefined;
  tensor?: string | undefined;
  chunk?: number | undefined;
  /** Where the lists of siblings stand: number of the first one that is shown. */
  layersFrom?: number | undefined;
  tensorsFrom?: number | undefined;
  chunksFrom?: number | undefined;
}

export function lineageHref(place: LineagePlace): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(place)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return `/explorer/lineage?${query}`;
}
