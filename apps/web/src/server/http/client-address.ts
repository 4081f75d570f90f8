/**
 * The address of the client, for logs and address ranges. Our own door (door/door.ts) sets this header
 * anew, from the socket and what configured proxies say, before Next.js or anybody else sees the request.
 */
const HEADER = 'x-forwarded-for';

/** Empty for a request that did not come through the door. */
export const clientAddress = (headers: Headers): string => headers.get(HEADER) ?? '';
