import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = join(__dirname, '..', '..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The requirements of docs/security.md: A1 to A12, B1 to B8, and so on. */
const COUNTS = { A: 12, B: 8, C: 15, D: 9, E: 6, F: 11, G: 6, H: 6, I: 6, J: 5 };

function specs(folder: string): string[] {
  return readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.spec.ts'))
    .map((file) => join(folder, file));
}

describe('The requirements of docs/security.md', () => {
  const rows = new Map(
    [...read('docs/security.md').matchAll(/^\| ([A-J]\d+) +\|[^|]*\|([^|]*)\|$/gm)].map(
      ([, id = '', shown = '']) => [id, shown.trim()],
    ),
  );
  const titles = [...specs('test'), ...specs('src')]
    .flatMap((file) => [
      ...read(file).matchAll(/(?:it|describe)(?:\.each\([^]*?\))?\(\s*['"`]([^'"`]+)/g),
    ])
    .map(([, title = '']) => title)
    .join('\n');

  it('are all there, with a word on each', () => {
    const expected = Object.entries(COUNTS).flatMap(([letter, count]) =>
      Array.from({ length: count }, (_, index) => `${letter}${String(index + 1)}`),
    );
    expect([...rows.keys()]).toEqual(expected);
    for (const [id, shown] of rows) {
      expect([id, shown]).toEqual([
        id,
        expect.stringMatching(/^(tested|by construction|does not apply)/),
      ]);
    }
  });

  it('have a test that is named after them, where they say so', () => {
    const untested = [...rows]
      .filter(([, shown]) => shown.startsWith('tested'))
      .map(([id]) => id)
      .filter((id) => !new RegExp(`\\b${id}\\b`).test(titles));
    expect(untested).toEqual([]);
  });

  it('I6: a lockfile without addresses, and install scripts of known packages only', () => {
    interface Package {
      resolved?: string;
      integrity?: string;
      hasInstallScript?: boolean;
      link?: boolean;
    }
    const lock = JSON.parse(read('package-lock.json')) as { packages: Record<string, Package> };
    const { allowScripts, dependencies } = JSON.parse(read('package.json')) as {
      allowScripts: Record<string, boolean>;
      dependencies: Record<string, string>;
    };
    for (const [path, { resolved, integrity, hasInstallScript, link }] of Object.entries(
      lock.packages,
    )) {
      if (path === '' || link) continue;
      expect([path, resolved]).toEqual([path, undefined]);
      expect([path, integrity]).toEqual([path, expect.stringMatching(/^sha512-/)]);
      const name = path.split('node_modules/').pop() ?? '';
      if (hasInstallScript) expect(Object.keys(allowScripts)).toContain(name);
    }
    expect(Object.keys(dependencies)).not.toContain('node');
  });
});
