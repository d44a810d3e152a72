import { PAGE_LIMIT_MAX, type Page } from '../common/page';
import { withOwnDeadline } from '../common/request-context';

/** All pages of a list, one after the other. */
export async function* pagesOf<T>(
  list: (query: { limit: number; cursor?: string }) => Promise<Page<T>>,
): AsyncGenerator<T[]> {
  for (let cursor: string | null | undefined; cursor !== null;) {
    const page: Page<T> = await list({ limit: PAGE_LIMIT_MAX, cursor });
    yield page.items;
    cursor = page.nextCursor;
  }
}

/** Gives each part a time of its own, in ms; the whole may take as long as somebody reads. */
export async function* timed<T>(milliseconds: number, parts: AsyncIterator<T>): AsyncGenerator<T> {
  const next = () => withOwnDeadline(milliseconds, () => parts.next());
  try {
    for (let part = await next(); !part.done; part = await next()) yield part.value;
  } finally {
    await parts.return?.();
  }
}
