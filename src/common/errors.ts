/**
 * Every error code the API can answer with: its HTTP status, and what it says unless a place knows
 * better. Codes are stable: clients switch on them, so a code is never renamed and never moves to
 * another status.
 */
export const ERRORS = {
  VALIDATION_FAILED: [400, 'The request has invalid or missing values.'],
  MALFORMED_JSON: [400, 'The body is not valid JSON.'],
  MALFORMED_REQUEST: [400, 'The request could not be read.'],
  INVALID_CURSOR: [400, 'The cursor is not valid for this list; start again without it.'],
  UNAUTHENTICATED: [401, 'A valid access token is required.'],
  INVALID_CREDENTIALS: [401, 'The organization, email or password is wrong.'],
  TOKEN_EXPIRED: [401, 'The access token has expired.'],
  FORBIDDEN: [403, 'You are not allowed to do this.'],
  INVITATION_REQUIRED: [403, 'Joining this organization takes an invitation or its admin.'],
  REGISTRATION_CLOSED: [403, 'Registration is closed here.'],
  NOT_FOUND: [404, 'There is no such resource.'],
  METHOD_NOT_ALLOWED: [405, 'This method is not allowed here.'],
  NOT_ACCEPTABLE: [406, 'Answers are application/json.'],
  REQUEST_TIMEOUT: [408, 'The request was not received in time.'],
  EMAIL_TAKEN: [409, 'This email address is already in use in the organization.'],
  DUPLICATE: [409, 'This value is already in use.'],
  CONFLICT: [409, 'The request collides with another one; try again.'],
  IDEMPOTENCY_IN_PROGRESS: [409, 'A request with this Idempotency-Key is still running.'],
  LAST_ADMIN: [409, 'The organization would be left without an active admin.'],
  CURSOR_EXPIRED: [410, 'What follows this cursor is no longer kept; start anew from an export.'],
  PRECONDITION_FAILED: [412, 'The record has changed since it was read.'],
  PAYLOAD_TOO_LARGE: [413, 'The body is too large.'],
  UNSUPPORTED_MEDIA_TYPE: [415, 'Send the body as application/json in UTF-8.'],
  UNPROCESSABLE: [422, 'The request is well-formed, but cannot be carried out.'],
  IDEMPOTENCY_KEY_REUSED: [422, 'This Idempotency-Key was sent with another request before.'],
  HEADERS_TOO_LARGE: [431, 'The request line and headers are too large.'],
  RATE_LIMITED: [429, 'Too many requests; come back later.'],
  TOO_MANY_ATTEMPTS: [429, 'Too many failed sign-ins; come back later.'],
  INTERNAL_ERROR: [500, 'Something went wrong on our side.'],
  SERVICE_UNAVAILABLE: [503, 'The service is not available right now.'],
} as const satisfies Record<string, readonly [number, string]>;

export type ErrorCode = keyof typeof ERRORS;

/** One fault of one field, as listed in the details of VALIDATION_FAILED. Never holds the value. */
export interface FieldFault {
  /** Path of the field, e.g. `emails[0].value`. */
  field: string;
  /** Stable name of the broken rule, e.g. `isEmail`. */
  rule: string;
  /** The rule in words. */
  message: string;
}

/** Why a request was turned away (429, 503): one word of few, for the figures. */
export type ShedReason =
  'attempts' | 'contention' | 'database' | 'deadline' | 'hashing' | 'load' | 'not_ready' | 'other';

export interface AppErrorOptions {
  /** Goes to the client: no input, no secret, no name of a host or a library in it. */
  message?: string;
  /** Machine-readable extra for the client; null when there is nothing to say. */
  details?: unknown;
  /** Response headers that belong to the error, e.g. Allow or Retry-After. */
  headers?: Record<string, string>;
  /** What really happened. Logged, never sent. */
  cause?: unknown;
  /** Of a 429 or 503. Counted, never sent. */
  shedReason?: ShedReason;
}

/** The one way to fail on purpose: the filter turns it into the error envelope. */
export class AppError extends Error {
  readonly status: number;
  readonly details: unknown;
  readonly headers: Record<string, string>;
  readonly shedReason: ShedReason | undefined;

  constructor(
    readonly code: ErrorCode,
    options: AppErrorOptions = {},
  ) {
    const [status, message] = ERRORS[code];
    super(options.message ?? message, { cause: options.cause });
    this.name = 'AppError';
    this.status = status;
    this.details = options.details ?? null;
    this.headers = options.headers ?? {};
    this.shedReason = options.shedReason;
  }
}

/** 503 with a hint when to come back. */
export function unavailable(
  retryAfterSeconds: number,
  options: Pick<AppErrorOptions, 'message' | 'cause' | 'shedReason'> = {},
): AppError {
  const headers = { 'Retry-After': String(retryAfterSeconds) };
  return new AppError('SERVICE_UNAVAILABLE', { ...options, headers });
}

/** 409 for one who was too slow too often: the same request may well succeed in a moment. */
export function contended(): AppError {
  return new AppError('CONFLICT', { headers: { 'Retry-After': '1' } });
}

/** More faults than that nobody reads, and they would make an answer larger than its request. */
const FAULTS_MAX = 100;

/** 400 for input that breaks a rule; list every fault, not only the first: up to 100 are told. */
export function validationFailed(faults: FieldFault[]): AppError {
  return new AppError('VALIDATION_FAILED', { details: faults.slice(0, FAULTS_MAX) });
}

/** The body of every error answer, from whatever layer. */
export interface ErrorEnvelope {
  success: false;
  code: ErrorCode;
  message: string;
  details: unknown;
}

export function errorEnvelope(error: AppError): ErrorEnvelope {
  return { success: false, code: error.code, message: error.message, details: error.details };
}
