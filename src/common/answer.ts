/** What a controller returns where a status or headers belong to the data. */
export class Answer<T> {
  constructor(
    readonly data: T,
    readonly options: { status?: number; headers?: Record<string, string> } = {},
  ) {}
}
