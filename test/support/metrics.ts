/** Every series of `/metrics` by its name and labels as they are written, e.g. `up{job="a"}`. */
export type Figures = Map<string, number>;

export async function scrape(url: string): Promise<Figures> {
  const response = await fetch(`${url}/metrics`);
  if (response.status !== 200) throw new Error(`/metrics answered ${String(response.status)}`);
  const lines = (await response.text()).split('\n');
  return new Map(
    lines
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => {
        const end = line.lastIndexOf(' ');
        return [line.slice(0, end), Number(line.slice(end + 1))];
      }),
  );
}

/** What has changed of the series that begin with `prefix`, by the rest of their names. */
export function changes(before: Figures, after: Figures, prefix: string): Record<string, number> {
  const result: Record<string, number> = {};
  for (const [series, value] of after) {
    const change = value - (before.get(series) ?? 0);
    if (series.startsWith(prefix) && change !== 0) result[series.slice(prefix.length)] = change;
  }
  return result;
}

/** All values of the series of one name. */
export function valuesOf(figures: Figures, name: string): number[] {
  return [...figures]
    .filter(([series]) => series === name || series.startsWith(`${name}{`))
    .map(([, value]) => value);
}
