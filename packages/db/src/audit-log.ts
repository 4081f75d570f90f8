/** The append-only log of who did what, when and from where. Written in the transaction of the change. */
import { type AuditEntry, Prisma, type Tx } from './client.ts';

/** Who acts. `id`: an admin's e-mail address, a node's id, the account that ran a command. */
export interface Actor {
  kind: 'admin' | 'node' | 'command' | 'system';
  id?: string | undefined;
  address?: string | undefined;
}

/** A plain value of JSON; dates are written as ISO 8601. */
export type AuditValue =
  | string
  | number
  | boolean
  | null
  | Date
  | readonly AuditValue[]
  | { readonly [name: string]: AuditValue | undefined };

export interface AuditInput {
  actor: Actor;
  /** For example `key.create`. */
  action: string;
  /** For example `key:k_...`. */
  subject: string;
  /** Of the subject, as far as it is of interest. Never a secret, nor a hash of one. */
  before?: AuditValue;
  after?: AuditValue;
}

/**
 * Appends one entry. Give it the transaction of the change: then there is neither a change without
 * an entry nor an entry without its change.
 */
export async function appendAudit(tx: Tx, input: AuditInput): Promise<void> {
  const { actor, action, subject, before, after } = input;
  await tx.auditEntry.create({
    data: {
      actor: actor.kind,
      actorId: actor.id ?? null,
      address: actor.address ?? null,
      action,
      subject,
      ...(before === undefined ? {} : { before: toJson(before) }),
      ...(after === undefined ? {} : { after: toJson(after) }),
    },
  });
}

function toJson(value: AuditValue): Prisma.InputJsonValue | typeof Prisma.JsonNull {
  return value === null
    ? Prisma.JsonNull
    : (JSON.parse(JSON.stringify(value)) as Prisma.InputJsonValue);
}

/** Entries of one page at most; a CSV file is read page by page. */
export const MAX_AUDIT_PAGE = 200;

export interface AuditFilter {
  /** Found in action, subject, actor or address. */
  search?: string | undefined;
  /** Actions that begin with this: `key`, `node.evict`. */
  action?: string | undefined;
  actor?: Actor['kind'] | undefined;
  from?: Date | undefined;
  to?: Date | undefined;
}

/** Newest first, below the id `before`; `next` is what to give as `before` for the next page. */
export async function listAudit(
  tx: Tx,
  filter: AuditFilter,
  page: { before?: bigint | undefined; limit: number },
): Promise<{ entries: AuditEntry[]; next: bigint | null }> {
  const limit = Math.min(page.limit, MAX_AUDIT_PAGE);
  const has = { contains: filter.search ?? '', mode: 'insensitive' as const };
  const rows = await tx.auditEntry.findMany({
    where: {
      ...(page.before === undefined ? {} : { id: { lt: page.before } }),
      ...(filter.action ? { action: { startsWith: filter.action } } : {}),
      ...(filter.actor ? { actor: filter.actor } : {}),
      ...(filter.from || filter.to
        ? { at: { ...(filter.from && { gte: filter.from }), ...(filter.to && { lt: filter.to }) } }
        : {}),
      ...(filter.search
        ? { OR: [{ action: has }, { subject: has }, { actorId: has }, { address: has }] }
        : {}),
    },
    orderBy: { id: 'desc' },
    take: limit + 1,
  });
  const entries = rows.slice(0, limit);
  return { entries, next: rows.length > limit ? (entries.at(-1)?.id ?? null) : null };
}
