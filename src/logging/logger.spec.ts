import { Writable } from 'node:stream';
import { createLogger, redact } from './logger';

function logged(write: (logger: ReturnType<typeof createLogger>) => void): string {
  let text = '';
  const sink = new Writable({
    write(chunk: Buffer, _encoding, done) {
      text += chunk.toString();
      done();
    },
  });
  write(createLogger({ level: 'trace', pretty: false }, sink));
  return text;
}

describe('The logger', () => {
  it('I1: hides values by the name of their field, at any depth', () => {
    const secret = 'hush-7f3a';
    const names = [
      'password',
      'new_password',
      'passwordHash',
      'access_token',
      'refreshToken',
      'Authorization',
      'cookie',
      'apiKey',
      'client_secret',
    ];
    for (const name of names) {
      const nested = { a: [{ b: { [name]: secret } }], [name]: { deep: [secret] } };
      const text = logged((logger) => {
        logger.info(nested, 'x');
        logger.child({ k: 1 }).error({ err: new Error('x'), nested });
      });
      expect(text).not.toContain(secret);
      expect(text).toContain('[secret]');
    }
  });

  it('tells everything of an error but what hangs on it', () => {
    const error = Object.assign(new Error('outer', { cause: new Error('inner') }), {
      code: 4352,
      params: ['hush-7f3a'],
      innerErrors: { '10.0.0.1:9042': new Error('refused') },
    });
    const text = logged((logger) => {
      logger.error({ err: error }, 'failed');
    });
    const line = JSON.parse(text) as { err: { stack: string } };
    expect(line).toMatchObject({
      level: 'error',
      err: {
        message: 'outer',
        code: 4352,
        cause: { message: 'inner' },
        hosts: { '10.0.0.1:9042': { message: 'refused' } },
      },
    });
    expect(line.err.stack).toContain('logger.spec');
    expect(text).not.toContain('hush-7f3a');
  });

  it('I2: writes one line whatever is in the text', () => {
    const text = logged((logger) => {
      logger.info({ user_agent: 'a\r\n{"level":"fatal"}\u001b[31m' }, 'b\nc');
    });
    expect(text.trim().split('\n')).toHaveLength(1);
    expect(text).not.toContain('\u001b');
  });

  it('stops at what is endless', () => {
    const loop: Record<string, unknown> = {};
    loop.self = loop;
    expect(JSON.stringify(redact(loop))).toContain('[deep]');
  });
});
