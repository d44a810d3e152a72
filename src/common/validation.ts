import { type ValidationError, ValidationPipe } from '@nestjs/common';
import { Transform } from 'class-transformer';
import { buildMessage, isEmail, ValidateBy } from 'class-validator';
import { type FieldFault, validationFailed } from './errors';

/** Rule names that class-validator spells for itself, in the words of our contract. */
const RULE_NAMES: Record<string, string> = { whitelistValidation: 'unknownField' };

function flatten(errors: ValidationError[], parent = ''): FieldFault[] {
  return errors.flatMap((error) => {
    const isIndex = /^\d+$/.test(error.property);
    const field = isIndex
      ? `${parent}[${error.property}]`
      : parent
        ? `${parent}.${error.property}`
        : error.property;
    const own = Object.entries(error.constraints ?? {}).map(([rule, message]) => ({
      // The name of an unknown field is the caller's text: cut, so that an answer cannot be grown.
      field: field.slice(0, 200),
      rule: RULE_NAMES[rule] ?? rule,
      message: rule in RULE_NAMES ? 'This field is not known here.' : message,
    }));
    return [...own, ...flatten(error.children ?? [], field)];
  });
}

/**
 * The global pipe: unknown fields are refused, values are never converted behind the DTO's back,
 * and the answer lists every fault with the path of its field but never the value.
 */
export function createValidationPipe(): ValidationPipe {
  return new ValidationPipe({
    transform: true,
    whitelist: true,
    forbidNonWhitelisted: true,
    forbidUnknownValues: true,
    validationError: { target: false, value: false },
    exceptionFactory: (errors) => validationFailed(flatten(errors)),
  });
}

// C0 controls but tab and line breaks, DEL, and lone surrogates. The store and every client must
// be able to read back what was written.
// eslint-disable-next-line no-control-regex
const FORBIDDEN_IN_TEXT = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** A string of `min` to `max` UTF-8 bytes without control characters. */
export function IsText({ min = 1, max }: { min?: number; max: number }): PropertyDecorator {
  return ValidateBy({
    name: 'isText',
    validator: {
      validate(value: unknown): boolean {
        if (typeof value !== 'string' || value.length > max) return false;
        const bytes = Buffer.byteLength(value);
        const sized = bytes >= min && bytes <= max;
        return sized && value.isWellFormed() && !FORBIDDEN_IN_TEXT.test(value);
      },
      defaultMessage: buildMessage(
        (prefix) =>
          `${prefix}$property must be text of ${String(min)} to ${String(max)} UTF-8 bytes without control characters`,
      ),
    },
  });
}

/** Trims what is a string and leaves everything else for the validators to refuse. */
export function Trim(): PropertyDecorator {
  return Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? value.trim() : value,
  );
}

/** For ids: one spelling before they are compared. */
export function ToLowerCase(): PropertyDecorator {
  return Transform(({ value }: { value: unknown }) =>
    typeof value === 'string' ? value.toLowerCase() : value,
  );
}

/** RFC 5321 limits a forward path to 256 octets with its brackets: 254 for the address. */
export const EMAIL_MAX_BYTES = 254;

/** The one spelling of an address: it is the key for uniqueness and for login. */
export function canonicalEmail(value: string): string {
  return value.trim().normalize('NFC').toLowerCase();
}

/** An email address, brought into its canonical spelling before it is checked. */
export function IsEmailAddress(): PropertyDecorator {
  const canonical = Transform(({ value }: { value: unknown }) =>
    // Normalising a megabyte is work an attacker gets for free: beyond the limit it stays as is.
    typeof value === 'string' && value.length <= 2 * EMAIL_MAX_BYTES
      ? canonicalEmail(value)
      : value,
  );
  const valid = ValidateBy({
    name: 'isEmail',
    validator: {
      validate: (value: unknown): boolean =>
        typeof value === 'string' &&
        value.length <= EMAIL_MAX_BYTES &&
        Buffer.byteLength(value) <= EMAIL_MAX_BYTES &&
        value.isWellFormed() &&
        // Categories C and Z: controls, zero-width and other invisible characters, spaces.
        !/[\p{C}\p{Z}]/u.test(value) &&
        isEmail(value),
      defaultMessage: buildMessage((prefix) => `${prefix}$property must be an email address`),
    },
  });
  return (target, property) => {
    canonical(target, property);
    valid(target, property);
  };
}
