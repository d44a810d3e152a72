/**
 * Work that many want at once, and that each may share with others if it begins after he has asked.
 * One run for each key is under way at a time; whoever comes meanwhile shares the next one.
 */
export class SharedRuns<T> {
  private readonly runs = new Map<string, { ended: Promise<void>; next?: Promise<T> }>();

  run(key: string, work: () => Promise<T>): Promise<T> {
    const current = this.runs.get(key);
    if (!current) return this.begin(key, work);
    // Whoever began it may have had less time than this one.
    if (current.next) return current.next.catch(work);
    current.next = current.ended.then(() => this.begin(key, work));
    return current.next;
  }

  private begin(key: string, work: () => Promise<T>): Promise<T> {
    const result = work();
    const run: { ended: Promise<void>; next?: Promise<T> } = {
      ended: result.then(
        () => undefined,
        () => undefined,
      ),
    };
    this.runs.set(key, run);
    void run.ended.then(() => {
      if (!run.next) this.runs.delete(key);
    });
    return result;
  }
}
