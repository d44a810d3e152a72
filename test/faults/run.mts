// The fault suite: npm run test:faults. Clients write to two servers on three nodes while nodes are
// killed and stopped, servers die and connections break; then everything is read and checked.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArgs } from 'node:util';
import { listenFault } from '../../tools/local-cassandra/ports.mts';
import { fail, untilAsked } from '../../tools/terminal.mts';
import { findFaults, PROMISES } from './checker.mts';
import { Random } from './random.mts';
import { availability, availabilityTable, faultTable, outcomeTable } from './report.mts';
import { FULL, runSuite, SHORT } from './suite.mts';

const USAGE = `npm run test:faults             all faults and the negative controls, 9 minutes
npm run test:faults -- --short  each fault once, nothing timed: what CI runs
SEED=1 npm run test:faults      the faults of another run again
`;

const began = performance.now();

function say(line: string): void {
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  process.stderr.write(`${seconds.padStart(4)} s  ${line}\n`);
}

/** Why three nodes cannot be started here at all; macOS has only 127.0.0.1 until it is told. */
async function missingAddress(): Promise<string | undefined> {
  for (const address of ['127.0.0.2', '127.0.0.3']) {
    const fault = await listenFault(address, 0);
    if (fault !== undefined) return `cannot listen on ${address} (${fault})`;
  }
  return undefined;
}

async function main(): Promise<void> {
  const { values: options } = parseArgs({
    options: { short: { type: 'boolean', default: false }, help: { type: 'boolean' } },
  });
  if (options.help) {
    process.stderr.write(USAGE);
    return;
  }
  const missing = options.short ? await missingAddress() : undefined;
  if (missing !== undefined) {
    void test('the fault suite', { skip: missing });
    return;
  }
  process.env.LOCAL_CASSANDRA_HEAP ??= '384m';
  // Three nodes that start and die would spend more on compiling than on anything else.
  process.env.JDK_JAVA_OPTIONS ??= '-XX:TieredStopAtLevel=1';
  const plan = options.short ? SHORT : FULL;
  const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
  if (!Number.isInteger(seed)) throw new Error('SEED must be a whole number');
  say(`seed ${String(seed)}; SEED=${String(seed)} gives the same faults again`);
  const steps = new Random(seed).shuffle(plan.steps);
  const result = await runSuite({ ...plan, steps }, seed, say, untilAsked());
  const { operations, final, suffered, base, isSwept, controls } = result;
  const figures = availability(operations, suffered, base);
  const tables = [outcomeTable(operations), faultTable(suffered), availabilityTable(figures)];
  process.stdout.write(`\n${tables.join('\n\n')}\n\n`);

  for (const promise of PROMISES) {
    const faults = findFaults(promise, operations, final);
    void test(promise, () => {
      assert.deepEqual(faults.slice(0, 20), []);
    });
  }
  void test('the sweepers have come to the end', () => {
    assert.ok(isSwept);
  });
  for (const { name, broken, faults } of controls) {
    void test(`control: ${name} ${broken === null ? 'keeps all' : `breaks "${broken}"`}`, () => {
      for (const [promise, found] of Object.entries(faults)) {
        if (promise === broken) assert.notDeepEqual(found, []);
        else assert.deepEqual(found, []);
      }
    });
  }
  // How long something takes depends on what else the machine does: no matter for CI.
  if (options.short) return;
  void test('with one node bad, 99.9 % succeed with at most two retries', () => {
    assert.ok(figures.hurt.successes >= 0.999 * figures.hurt.operations);
  });
  void test('with one node bad, p99 is below 3 times its base after 10 s', () => {
    assert.ok(figures.steady.p99 < 3 * figures.base.p99);
  });
}

main().catch(fail);
