// How the product stands beside a plain server on the same stack (bench/peers/plain), in the same run.
// npm run bench                       everything, with 100,000 contacts
// npm run bench -- reads storm        some of it; CONTACTS=2000 for a smaller organization
import { parseArgs } from 'node:util';
import { closeLarge, compareLists, compareSearches, openLarge } from './compare-lists.mts';
import { compareReads, compareStorm } from './compare-load.mts';
import { compareStartup } from './compare-startup.mts';
import { PlainData } from './plain.mts';
import { report } from './report.mts';
import { seed } from './seeded.mts';
import { BCRYPT_COST, prepare, settle, startSides, stopSides } from './sides.mts';

const CONTACTS = process.env.CONTACTS ?? '100000';
const NAMES = ['startup', 'reads', 'storm', 'lists', 'searches'];

const { positionals } = parseArgs({ allowPositionals: true });
const unknown = positionals.filter((name) => !NAMES.includes(name));
if (unknown.length > 0) throw new Error(`There is no ${unknown.join(', ')}: ${NAMES.join(', ')}`);
const wants = (name: string) => positionals.length === 0 || positionals.includes(name);

const data = new PlainData();
const start = await prepare(data);
if (wants('startup')) {
  await settle();
  const title = 'Ready after the start, with the database there, and idle memory after 10 s';
  await report('startup', title, await compareStartup(start));
}
const login = wants('lists') || wants('searches') ? await seed(CONTACTS) : undefined;
const sides = await startSides(start, data);
try {
  await settle();
  if (wants('reads')) {
    const title = 'Authenticated reads, 16 connections';
    await report('reads', title, await compareReads(sides));
  }
  if (wants('storm')) {
    const cost = String(BCRYPT_COST);
    const title = `Reads on 16 connections while 8 clients sign in without a pause (bcrypt cost ${cost})`;
    await report('storm', title, await compareStorm(sides));
  }
  if (login) {
    const of = `of ${Number(CONTACTS).toLocaleString('en')} contacts, one request at a time`;
    const large = await openLarge(sides, data, login);
    await settle();
    if (wants('lists')) {
      const title = `A list of 50 ${of}, beside the peer's plain list of 50`;
      await report('lists', title, await compareLists(large));
    }
    if (wants('searches')) {
      const title = `Typeahead, exact look-up and totals ${of}, beside the peer's plain list of 50`;
      await report('searches', title, await compareSearches(large));
    }
    closeLarge(large);
  }
} finally {
  await stopSides(sides);
  await data.close();
}
