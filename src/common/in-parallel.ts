/**
 * Does `work` for every item, `atOnce` of them at a time. After a failure nothing new is begun; it
 * fails when what was under way has ended.
 */
export async function inParallel<T>(
  items: Iterable<T>,
  atOnce: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  // One iterator for all: whoever is free takes the next item.
  const source = items[Symbol.iterator]();
  const failures: unknown[] = [];
  const one = async () => {
    try {
      for (let next = source.next(); !next.done; next = source.next()) {
        await work(next.value);
        if (failures.length > 0) return;
      }
    } catch (error) {
      failures.push(error);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
  if (failures.length > 0) throw failures[0];
}
