import { migrate, migrationStatus } from '../cassandra/migrator';
import { loadConfig } from '../config/app-config';
import { failStart } from '../start-failure';

const USAGE = `npm run migrate                applies what is missing
npm run migrate -- --status    lists the migrations and their state; changes nothing
npm run migrate -- --dry-run   prints the statements that would run; changes nothing`;

async function main([option, ...others]: string[]): Promise<void> {
  if (others.length > 0 || ![undefined, '--status', '--dry-run'].includes(option)) {
    console.error(USAGE);
    process.exit(2);
  }
  const { cassandra } = loadConfig();
  if (option === undefined) {
    await migrate(cassandra, console.log);
    console.log('The schema is up to date.');
    return;
  }
  for (const { migration, state, finishedAt } of await migrationStatus(cassandra, console.log)) {
    const title = `${String(migration.version).padStart(4, '0')}_${migration.name}`;
    if (option === '--status') {
      console.log(`${state.padEnd(10)} ${title} ${finishedAt?.toISOString() ?? ''}`);
    } else if (state !== 'done') {
      console.log(`-- ${title}`);
      for (const statement of migration.statements) console.log(`${statement};\n`);
    }
  }
}

main(process.argv.slice(2)).then(() => process.exit(0), failStart);
