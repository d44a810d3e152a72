import { errors, types } from 'cassandra-driver';
import { AppError } from '../common/errors';
import { isUnknownOutcome, toAppError, UnknownOutcomeError } from './errors';

const { responseErrorCodes: codes } = types;
const response = (code: number) => new errors.ResponseError(code, 'from the server');
const noHost = (inner: Record<string, Error>) => new errors.NoHostAvailableError(inner);
const socketLoss = () => Object.assign(new Error('closed'), { isSocketError: true });

describe('Driver errors', () => {
  it.each([
    ['a write timeout', response(codes.writeTimeout), true],
    ['a write failure', response(codes.writeFailure), true],
    ['no answer in time', new errors.OperationTimedOutError('t', '127.0.0.1'), true],
    ['a lost connection', socketLoss(), true],
    [
      'one of several hosts that may have written',
      noHost({ a: response(codes.overloaded), b: socketLoss() }),
      true,
    ],
    ['too few replicas', response(codes.unavailableException), false],
    ['overload', response(codes.overloaded), false],
    ['no host at all', noHost({}), false],
    ['a busy connection', new errors.BusyConnectionError('a', 512, 2), false],
    ['a syntax error', response(codes.syntaxError), false],
    ['a fault of ours', new TypeError('x'), false],
  ])('after %s a write is in doubt: %s', (_kind, error, doubtful) => {
    expect(isUnknownOutcome(error)).toBe(doubtful);
  });

  it.each([
    ['too few replicas', response(codes.unavailableException)],
    ['overload', response(codes.overloaded)],
    ['a read timeout', response(codes.readTimeout)],
    ['a write timeout', response(codes.writeTimeout)],
    ['no host', noHost({ a: new Error('refused') })],
    ['no answer in time', new errors.OperationTimedOutError('t', '127.0.0.1')],
    ['a busy connection', new errors.BusyConnectionError('a', 512, 2)],
    ['an unknown outcome', new UnknownOutcomeError(socketLoss())],
  ])('make %s a 503 that tells the caller nothing and the log everything', (_kind, error) => {
    const mapped = toAppError(error, 'users.find');
    expect(mapped).toBeInstanceOf(AppError);
    expect(mapped).toMatchObject({ code: 'SERVICE_UNAVAILABLE', headers: { 'Retry-After': '2' } });
    expect(mapped.message).not.toMatch(/users|cassandra|127/i);
    expect(mapped.cause).toMatchObject({ message: 'Query users.find failed', cause: error });
  });

  it('leave what waiting does not mend a fault of ours, with its cause', () => {
    const error = response(codes.syntaxError);
    const mapped = toAppError(error, 'users.find');
    expect(mapped).not.toBeInstanceOf(AppError);
    expect(mapped.cause).toBe(error);
  });
});
