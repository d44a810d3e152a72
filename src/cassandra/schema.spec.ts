import { errors, types } from 'cassandra-driver';
import { whileSchemaSettles } from './schema';

const { responseErrorCodes: codes } = types;

/** Work that fails with each of the errors, in order, and succeeds then. */
function workWith(failures: Error[]) {
  const left = [...failures];
  return () => {
    const next = left.shift();
    return next ? Promise.reject(next) : Promise.resolve('done');
  };
}

describe('Work on tables that nodes are just learning of', () => {
  it.each([
    [
      'a node that knows the table and cannot serve it yet',
      codes.serverError,
      'java.lang.IllegalArgumentException: Unknown CF 0611ccc0-e87a-11f1-a6cf-5771cf2673d4',
    ],
    ['a node that does not know the table yet', codes.invalid, 'unconfigured table leases'],
    ['a table made twice', codes.configError, 'Column family ID mismatch (found a; expected b)'],
  ])('is done again after the error of %s', async (_kind, code, message) => {
    const error = new errors.ResponseError(code, message);
    const wrapped = new errors.NoHostAvailableError({ '127.0.0.1:9042': error });
    await expect(whileSchemaSettles(workWith([error, wrapped, error]))).resolves.toBe('done');
  });

  it.each([
    ['a wrong statement', new errors.ResponseError(codes.syntaxError, 'no viable alternative')],
    ['a refusal', new errors.ResponseError(codes.unauthorized, 'User x has no CREATE permission')],
    ['silence', new errors.OperationTimedOutError('The host did not reply', '127.0.0.1')],
  ])('is left alone after %s', async (_kind, error) => {
    await expect(whileSchemaSettles(workWith([error]))).rejects.toBe(error);
  });
});
