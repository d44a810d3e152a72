import { execFile } from 'node:child_process';
import { cpSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Api } from '../support/api';
import { startServer } from '../support/process';

const ROOT = join(__dirname, '..', '..');
const FOLDER = join(ROOT, '.local', 'generated-client');
const run = promisify(execFile);
const bin = (name: string) => join(ROOT, 'node_modules', '.bin', name);

/** As strict as the project itself. */
const SETTINGS = {
  compilerOptions: {
    target: 'es2022',
    module: 'commonjs',
    moduleResolution: 'bundler',
    lib: ['es2023', 'dom', 'dom.iterable'],
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules', '@types')],
    strict: true,
    noUncheckedIndexedAccess: true,
    outDir: 'out',
    rootDir: '.',
  },
  files: ['sales-story.ts'],
};

// The client is generated from docs/openapi.json, which openapi.spec.ts holds to what is served.
describe('A client that is generated from the OpenAPI document', () => {
  let server: Awaited<ReturnType<typeof startServer>>;
  beforeAll(async () => {
    server = await startServer();
  });
  afterAll(async () => {
    server.child.kill('SIGTERM');
    await server.ended;
  });

  it('compiles, and tells the story of a sales team', async () => {
    rmSync(FOLDER, { recursive: true, force: true });
    mkdirSync(FOLDER, { recursive: true });
    const document = join(ROOT, 'docs', 'openapi.json');
    const options = { cwd: FOLDER, env: process.env };
    await run(bin('openapi-ts'), ['-i', document, '-o', join(FOLDER, 'client')], options);
    cpSync(join(ROOT, 'test', 'client', 'sales-story.ts'), join(FOLDER, 'sales-story.ts'));
    writeFileSync(join(FOLDER, 'tsconfig.json'), JSON.stringify(SETTINGS));
    await run(bin('tsc'), ['-p', FOLDER], options).catch((error: unknown) => {
      throw new Error((error as { stdout: string }).stdout);
    });

    const api = new Api(server.url);
    const { organizationId, email, password } = await api.newAdmin();
    const story = [
      join(FOLDER, 'out', 'sales-story.js'),
      server.url,
      organizationId,
      email,
      password,
    ];
    const { stdout } = await run(process.execPath, story, options);
    expect(stdout).toContain('the story ends well');
  });
});
