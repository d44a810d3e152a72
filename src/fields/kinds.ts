import { isEmail, isFQDN, isURL } from 'class-validator';
import { parsePhoneNumberFromString } from 'libphonenumber-js';
import { z } from 'zod';
import { canonicalEmail, EMAIL_MAX_BYTES } from '../common/validation';

/**
 * What a value can be, for the fields of records and for custom fields alike. Each kind checks a
 * value and brings it into its one spelling, and describes itself in the OpenAPI document.
 */

/** Largest magnitude of an amount in minor units: the sum of 900,000 of them still fits 64 bits. */
export const AMOUNT_MAX = 10_000_000_000_000;
/** Numbers are doubles: beyond this, whole numbers are not exact any more. */
const NUMBER_MAX = Number.MAX_SAFE_INTEGER;
/** RFC 1035: a name has at most 253 characters in writing. */
const DOMAIN_MAX = 253;
/** What browsers and proxies agree on. */
const URL_MAX = 2048;
/** E.164: 15 digits and the plus; room for the spaces and brackets people write. */
const PHONE_MAX = 32;
/** The characters of one option of a select, and the options. */
export const OPTION_MAX = 100;
export const OPTIONS_MAX = 200;

// C0 controls but tab and line breaks, and DEL.
// eslint-disable-next-line no-control-regex
const CONTROLS = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

const isWritable = (value: string) => value.isWellFormed() && !CONTROLS.test(value);

/** Text of 1 to `max` characters after trimming, without control characters. */
export function text(max: number) {
  return z
    .string()
    .max(max)
    .trim()
    .min(1)
    .refine(isWritable, { error: 'must not have control characters', params: { rule: 'isText' } })
    .transform((value) => value.normalize('NFC'));
}

/** An email address in its canonical spelling: trimmed and lower-case. */
export function email() {
  return z
    .string()
    .max(EMAIL_MAX_BYTES)
    .transform(canonicalEmail)
    .refine((value) => isEmail(value) && !/[\p{C}\p{Z}]/u.test(value), {
      error: 'must be an email address',
      params: { rule: 'isEmail' },
    })
    .meta({ format: 'email', example: 'bob@example.com' });
}

/** A phone number in international form; kept as E.164. */
export function phone() {
  return z
    .string()
    .max(PHONE_MAX)
    .transform((value, context) => {
      const number = parsePhoneNumberFromString(value.trim());
      if (number?.isPossible()) return number.number;
      context.addIssue({
        code: 'custom',
        message: 'must be a phone number in international form, such as +49 30 901820',
        params: { rule: 'isPhone' },
      });
      return z.NEVER;
    })
    .meta({ example: '+4930901820' });
}

/** The name of an internet domain, in ASCII (punycode) and lower-case. */
export function domain() {
  return z
    .string()
    .max(DOMAIN_MAX)
    .transform((value) => value.trim().toLowerCase().replace(/\.$/, ''))
    .refine((value) => isFQDN(value), {
      error: 'must be a domain such as example.com',
      params: { rule: 'isDomain' },
    })
    .meta({ example: 'example.com' });
}

/** An address on the web, http or https. */
export function url() {
  return z
    .string()
    .trim()
    .max(URL_MAX)
    .refine((value) => isURL(value, { protocols: ['http', 'https'], require_protocol: true }), {
      error: 'must be a web address that begins with http:// or https://',
      params: { rule: 'isUrl' },
    })
    .meta({ format: 'uri', example: 'https://example.com' });
}

/** A day of the calendar, without a time. */
export function date() {
  return z.iso.date().meta({ format: 'date', example: '2026-03-31' });
}

/** A moment; kept in UTC with milliseconds. */
export function dateTime() {
  return z.iso
    .datetime({ offset: true })
    .transform((value, context) => {
      const time = new Date(value);
      // By its offset a time can lie in a year that is not written with four digits.
      const year = time.getUTCFullYear();
      if (year >= 0 && year <= 9999) return time.toISOString();
      context.addIssue({
        code: 'custom',
        message: 'must be a time such as 2026-01-31T09:30:00.000Z',
        params: { rule: 'isDateTime' },
      });
      return z.NEVER;
    })
    .meta({ format: 'date-time', example: '2026-01-31T09:30:00.000Z' });
}

/** A number, whole or not. */
export function number() {
  return z.number().min(-NUMBER_MAX).max(NUMBER_MAX).meta({ example: 42.5 });
}

/** A whole number of minor units (cents). */
export function amount() {
  return z.int().min(-AMOUNT_MAX).max(AMOUNT_MAX).meta({ example: 1_250_000 });
}

const CURRENCIES = Intl.supportedValuesOf('currency');

/** A currency by its ISO 4217 code. */
export function currency() {
  return z
    .string()
    .refine((value) => CURRENCIES.includes(value), {
      error: 'must be a currency of ISO 4217, such as EUR',
      params: { rule: 'isCurrency' },
    })
    .meta({ minLength: 3, maxLength: 3, example: 'EUR' });
}

/** The id of a record or a user. */
export function id() {
  return z
    .string()
    .max(36)
    .transform((value) => value.toLowerCase())
    .refine(
      (value) =>
        /^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(value),
      {
        error: 'must be a UUID',
        params: { rule: 'isUuid' },
      },
    )
    .meta({ format: 'uuid', example: '0197c1b2-7a53-7c31-9d2e-0f6f2a6b8c11' });
}
