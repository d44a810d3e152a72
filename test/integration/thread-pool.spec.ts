import { runProgram } from '../support/process';

/** Runs Node with a pool for three hashes at a time, and tells of its threads. */
const SCRIPT = `
  const { lowerThreadPool, sizeThreadPool } = require('./dist/config/thread-pool');
  const { readdirSync, readFileSync } = require('node:fs');
  const { getPriority } = require('node:os');
  sizeThreadPool(3);
  require('bcrypt').hash('anything', 4).then(() => {
    lowerThreadPool();
    const threads = readdirSync('/proc/self/task').filter(
      (id) => readFileSync('/proc/self/task/' + id + '/comm', 'utf8') === 'libuv-worker\\n');
    console.log(JSON.stringify({ own: getPriority(), pool: threads.map((id) => getPriority(+id)) }));
  });`;

const onLinux = process.platform === 'linux' ? it : it.skip;

describe('The threads that hash', () => {
  onLinux('leave threads to other work, and the processor to the event loop', async () => {
    const program = runProgram(['--eval', SCRIPT]);
    expect(await program.ended).toBe(0);
    expect(JSON.parse(program.output())).toEqual({ own: 0, pool: Array(3 + 4).fill(19) });
  });
});
