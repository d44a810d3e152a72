import { errors, types } from 'cassandra-driver';
import { AppError, unavailable } from '../common/errors';

/** The write may have been applied or not: ask again with the same values, or read at SERIAL. */
export class UnknownOutcomeError extends Error {
  constructor(cause: unknown) {
    super('The outcome of the write is not known', { cause });
    this.name = 'UnknownOutcomeError';
  }
}

const { responseErrorCodes: codes } = types;

/** Answers of the server that say "not now" and leave no doubt that nothing was written. */
const REFUSALS = new Set<number>([
  codes.unavailableException,
  codes.overloaded,
  codes.isBootstrapping,
]);
/** Answers of the server to a statement that may have reached some replicas. */
const UNFINISHED = new Set<number>([
  codes.writeTimeout,
  codes.readTimeout,
  codes.writeFailure,
  codes.readFailure,
]);

/** Errors of single hosts that the driver collects when it has run out of hosts. */
function innerErrors(error: errors.NoHostAvailableError): Error[] {
  return Object.values((error.innerErrors ?? {}) as Record<string, Error>);
}

function isSocketLoss(error: Error): boolean {
  return (error as { isSocketError?: boolean }).isSocketError === true;
}

/**
 * True when the statement may have been applied although it failed. A request that was sent and
 * not answered is always in doubt; one that no host would take is not.
 */
export function isUnknownOutcome(error: unknown): boolean {
  if (error instanceof errors.OperationTimedOutError) return true;
  if (error instanceof errors.ResponseError) return UNFINISHED.has(error.code);
  if (error instanceof errors.NoHostAvailableError)
    return innerErrors(error).some(isUnknownOutcome);
  return error instanceof Error && isSocketLoss(error);
}

function isUnavailable(error: unknown): boolean {
  if (error instanceof errors.NoHostAvailableError) return true;
  if (error instanceof errors.BusyConnectionError) return true;
  if (error instanceof errors.ResponseError && REFUSALS.has(error.code)) return true;
  return isUnknownOutcome(error);
}

/**
 * What the caller gets for a driver error: 503 where coming back later may help, otherwise the
 * error itself, which the filter answers with 500. Both are logged with everything they know.
 */
export function toAppError(error: unknown, queryName: string): Error {
  if (error instanceof AppError) return error;
  if (error instanceof UnknownOutcomeError || isUnavailable(error)) {
    const cause = new Error(`Query ${queryName} failed`, { cause: error });
    return unavailable(2, { cause, shedReason: 'database' });
  }
  return new Error(`Query ${queryName} failed`, { cause: error });
}
