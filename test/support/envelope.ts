import Ajv from 'ajv';
import { ERRORS } from '../../src/common/errors';

/** The one schema of every error answer. */
const validate = new Ajv().compile({
  type: 'object',
  required: ['success', 'code', 'message', 'details'],
  additionalProperties: false,
  properties: {
    success: { const: false },
    code: { enum: Object.keys(ERRORS) },
    message: { type: 'string', minLength: 1 },
    details: {},
  },
});

/** Words that only our insides know. */
const PRIVATE =
  /cassandra|nohost|keyspace|127\.0\.0\.1|\bat .*\.[jt]s\b|node_modules|select |insert /i;

/** Fails unless the body is the error envelope with this code, and tells nothing private. */
export function expectError(body: unknown, code: keyof typeof ERRORS): void {
  expect({ body, faults: validate(body) ? null : validate.errors }).toEqual({ body, faults: null });
  expect(body).toMatchObject({ code });
  expect(JSON.stringify(body)).not.toMatch(PRIVATE);
}
