/**
 * What may hold a semicolon that ends nothing: quoted text and names (a doubled quote stays
 * inside), $$ text, and the three kinds of comments.
 */
const TOKENS =
  /'(?:[^']|'')*'|"(?:[^"]|"")*"|\$\$[\s\S]*?\$\$|--[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?\*\/|;|[\s\S]/g;

function isComment(token: string): boolean {
  return /^(--|\/\/|\/\*)/.test(token) && token.length > 1;
}

/** The statements of a CQL file, without their comments and closing semicolons. */
export function splitCql(text: string): string[] {
  const statements: string[] = [];
  let current = '';
  for (const [token] of text.matchAll(TOKENS)) {
    if (token === ';') {
      statements.push(current);
      current = '';
    } else {
      current += isComment(token) ? ' ' : token;
    }
  }
  statements.push(current);
  return statements.map((statement) => statement.trim()).filter((statement) => statement !== '');
}
