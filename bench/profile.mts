// Where a request's processor time goes: a profile of each server while it is read as fast as it can be,
// by package. npm run bench:profile            of the own user, and of a list of 50
// CONTACTS=2000 for another size of the organization whose list is read
import { freePorts } from '../tools/local-cassandra/ports.mts';
import { Client } from './client.mts';
import { listPath, walk } from './contact-lists.mts';
import { read } from './load.mts';
import { PlainData } from './plain.mts';
import { type Attribution, attribute, type Profile, Profiler } from './profiler.mts';
import { seed } from './seeded.mts';
import { prepare, settle, type Side, signIn, startSides, stopSides } from './sides.mts';

const SECONDS = Number(process.env.DURATION ?? 8);
const ROWS_SHOWN = 22;
const FUNCTIONS_SHOWN = 15;

interface Measured {
  profile: Profile;
  requests: number;
}

async function measure(side: Side, port: number, path: string): Promise<Measured> {
  await read(side, path, 5);
  const profiler = await Profiler.attach(port);
  await profiler.start();
  const { answers: requests, rate } = await read(side, path, SECONDS);
  const profile = await profiler.stop();
  console.log(`${path}: ${rate.toFixed(0)} a second under the profiler`);
  return { profile, requests };
}

function show(title: string, ours: Measured, theirs: Measured): void {
  const cost = ({ profile, requests }: Measured, by: Attribution) =>
    new Map([...attribute(profile, by)].map(([name, micros]) => [name, micros / requests]));
  for (const [by, shown] of [
    ['package', ROWS_SHOWN],
    ['owner', ROWS_SHOWN],
    ['function', FUNCTIONS_SHOWN],
  ] as const) {
    const [a, b] = [cost(ours, by), cost(theirs, by)];
    const names = [...new Set([...a.keys(), ...b.keys()])];
    names.sort((x, y) => (a.get(y) ?? 0) - (a.get(x) ?? 0) || (b.get(y) ?? 0) - (b.get(x) ?? 0));
    console.log(`\n${title}: self time by ${by}, µs a request\n\n| ${by} | ours | peer |`);
    console.log('| --- | --- | --- |');
    for (const name of names.slice(0, shown)) {
      const cells = [a, b].map((side) => (side.get(name) ?? 0).toFixed(1));
      console.log(`| ${name} | ${cells.join(' | ')} |`);
    }
    const totals = [a, b].map((side) =>
      [...side].reduce((sum, [name, micros]) => sum + (name === '(idle)' ? 0 : micros), 0),
    );
    console.log(`| all but idle | ${totals.map((total) => total.toFixed(1)).join(' | ')} |`);
  }
}

const data = new PlainData();
const start = await prepare(data);
const login = await seed(process.env.CONTACTS ?? '2000');
const [ourPort = 0, theirPort = 0] = await freePorts(2);
const ports = { ours: ourPort, theirs: theirPort };
const inspect = (port: number) => [`--inspect=127.0.0.1:${String(port)}`];
const sides = await startSides(start, data, {
  ours: inspect(ports.ours),
  theirs: inspect(ports.theirs),
});
try {
  const client = new Client(sides.ours.server.url);
  await client.login(login);
  await walk(client, '-created_at', (page) => data.add(page));
  client.close();
  await settle();
  const large = { ...sides.ours, login, token: await signIn(sides.ours.server.url, login) };
  for (const [title, ours, path] of [
    ['Read the own user', sides.ours, '/api/v1/users/me'],
    ['List 50 contacts', large, listPath({ limit: 50 })],
  ] as const) {
    show(
      title,
      await measure(ours, ports.ours, path),
      await measure(sides.theirs, ports.theirs, path),
    );
  }
} finally {
  await stopSides(sides);
  await data.close();
}
