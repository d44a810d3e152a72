/** A token or a cursor with another character in one place (from the end, if below 0): never what it was. */
export function altered(text: string, at: number): string {
  return Array.from(text)
    .with(at, text.at(at) === 'A' ? 'B' : 'A')
    .join('');
}
