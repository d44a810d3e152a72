import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import '../app.module';
import { queryFiles } from '../cassandra/query-files';

/** Writes docs/queries: `npm run gen`. Needs no database. */
const folder = join('docs', 'queries');
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
for (const [file, text] of queryFiles()) writeFileSync(join(folder, file), text);
