/**
 * A conversation is a tree: editing a question and asking again make branches. One leaf, the head,
 * says which branch is read. An answer under an answer goes on with it.
 */

export interface TreeNode {
  id: string;
  parent: string | null;
  role: 'user' | 'assistant';
}

type Nodes<N extends TreeNode> = ReadonlyMap<string, N>;

/** From the root to `head`, both included; empty when there is no such node. */
export function pathTo<N extends TreeNode>(nodes: Nodes<N>, head: string | null): N[] {
  const path: N[] = [];
  const seen = new Set<string>();
  for (let at = head === null ? undefined : nodes.get(head); at; ) {
    // Parents come from a table: a circle there must not hang a page.
    if (seen.has(at.id)) break;
    seen.add(at.id);
    path.push(at);
    at = at.parent === null ? undefined : nodes.get(at.parent);
  }
  return path.reverse();
}

/** Ids of the nodes with one parent and role, in the order in which they were made. */
export function alternatives<N extends TreeNode>(nodes: Nodes<N>): (node: N) => readonly string[] {
  const key = ({ parent, role }: N) => `${role} ${parent}`;
  const groups = new Map<string, string[]>();
  for (const node of nodes.values()) {
    const group = groups.get(key(node));
    if (group) group.push(node.id);
    else groups.set(key(node), [node.id]);
  }
  return (node) => groups.get(key(node)) ?? [node.id];
}

/** The newest leaf under a node: where its branch was left. */
export function leafUnder<N extends TreeNode>(nodes: Nodes<N>, id: string): string {
  const under = new Set([id]);
  let leaf = id;
  // Children are made after their parents, so that one pass sees every descendant.
  for (const node of nodes.values()) {
    if (node.parent === null || !under.has(node.parent)) continue;
    under.add(node.id);
    leaf = node.id;
  }
  return leaf;
}

/** One side's say: a question, or an answer with all that it went on with. */
export interface Turn<N extends TreeNode> {
  role: TreeNode['role'];
  /** One, or of an answer its parts in order. */
  parts: N[];
}

export function turnsOf<N extends TreeNode>(path: readonly N[]): Turn<N>[] {
  const turns: Turn<N>[] = [];
  for (const node of path) {
    const last = turns.at(-1);
    if (node.role === 'assistant' && last?.role === 'assistant') last.parts.push(node);
    else turns.push({ role: node.role, parts: [node] });
  }
  return turns;
}

/** Texts of the parts of one answer as one: a character that a cut left half is whole in the next. */
export const joinParts = (texts: readonly string[]): string =>
  texts.reduce((all, text) => all.replace(/\ufffd+$/, '') + text, '');
