/** A statement of the registry. `R` is the shape of its rows. */
export interface Query<R = unknown> {
  /** `table.purpose`, unique; names the statement in logs and in docs/queries. */
  readonly name: string;
  readonly cql: string;
  /** Only carries the type of the rows. */
  readonly row?: R;
}

const registry = new Map<string, Query>();

/**
 * Registers a statement. Parameters are named markers (`:organization_id`): the driver refuses to
 * run a statement with one of them missing. All statements are known at start, so that they can be
 * prepared then, listed in docs/queries and checked as a whole.
 */
export function defineQuery<R = unknown>(name: string, cql: string): Query<R> {
  if (registry.has(name)) throw new Error(`The query ${name} is defined twice`);
  const query: Query<R> = { name, cql: cql.replace(/\s+/g, ' ').trim() };
  registry.set(name, query);
  return query;
}

/** Every statement of the process, by name. */
export function allQueries(): Query[] {
  return [...registry.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** Statements with a condition run Paxos: they are never idempotent for the driver. */
export function isConditional(query: Query): boolean {
  return /\bIF\b/i.test(query.cql);
}

export function isRead(query: Query): boolean {
  return /^SELECT\b/i.test(query.cql);
}
