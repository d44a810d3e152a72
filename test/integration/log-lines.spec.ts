import { runProgram } from '../support/process';

const COUNT = 500;

/** Runs a script with a logger, as a process of its own. */
async function logged(script: string): Promise<{ code: number | string; lines: number[] }> {
  const start = `const { createLogger } = require('./dist/logging/logger');
    const logger = createLogger({ level: 'info', pretty: false });
    const log = () => { for (let n = 0; n < ${String(COUNT)}; n++) logger.info({ n }, 'line'); };`;
  const program = runProgram(['--eval', start + script]);
  const code = await program.ended;
  const lines = [...program.output().matchAll(/^\{.*"n":(\d+),"msg":"line"\}$/gm)];
  return { code, lines: lines.map(([, n]) => Number(n)) };
}

const ALL = Array.from({ length: COUNT }, (_, n) => n);

describe('The log of a process', () => {
  it.each([
    ['comes to its end', 'log();', 0],
    ['exits in the turn in which it has logged', 'log(); process.exit(3);', 3],
    ['fails in it', "setTimeout(() => { log(); throw new Error('x'); });", 1],
  ])('has every line, in order, when it %s', async (_name, script, code) => {
    expect(await logged(script)).toEqual({ code, lines: ALL });
  });
});
