interface Candidate {
  name: string;
  hash: string;
  retired: boolean;
}

/**
 * The model that a question goes to: the newest that is not retired and that a node serves now. A
 * model that was just imported takes over when the first node has loaded it. When no candidate is
 * served it is the newest one, so that the reason shown is about that one.
 *
 * @param models newest first
 * @param name of the model, or null for any
 * @param served hashes of the model blocks that can answer now
 */
export function chooseModel<M extends Candidate>(
  models: readonly M[],
  name: string | null,
  served: ReadonlySet<string>,
): M | undefined {
  const candidates = models.filter((m) => !m.retired && (name === null || m.name === name));
  return candidates.find(({ hash }) => served.has(hash)) ?? candidates[0];
}
