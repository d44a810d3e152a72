import { dictionary } from '@zxcvbn-ts/language-common';
import { buildMessage, ValidateBy } from 'class-validator';

/** OWASP ASVS 5.0, 6.2.1. */
export const PASSWORD_MIN_CHARACTERS = 8;
/** bcrypt reads no further. */
export const PASSWORD_MAX_BYTES = 72;

// Its 49,000 most used passwords; those of 8 characters and more are what the length lets through.
const common = new Set(
  dictionary['passwords-common'].filter((word) => word.length >= PASSWORD_MIN_CHARACTERS),
);
// Nobody else reads the package, which would keep all of its words: 2 MB.
for (const words of Object.values(dictionary)) words.length = 0;

/** One spelling for what looks the same: é typed on two keyboards is one password. */
export function canonicalPassword(password: string): string {
  return password.normalize('NFC');
}

/** False where bcrypt would not look at the whole password. */
export function isHashable(password: string): boolean {
  return (
    // The first limit keeps a megabyte from being normalised: NFC never shrinks text this much.
    password.length <= 4 * PASSWORD_MAX_BYTES &&
    Buffer.byteLength(canonicalPassword(password)) <= PASSWORD_MAX_BYTES &&
    !password.includes('\0') &&
    password.isWellFormed()
  );
}

/** What is wrong with a new password, in words; undefined when it will do. */
export function passwordFault(password: unknown): string | undefined {
  if (typeof password !== 'string') return 'must be text';
  if (!isHashable(password)) {
    return `must be at most ${String(PASSWORD_MAX_BYTES)} UTF-8 bytes without NUL characters`;
  }
  if (Array.from(canonicalPassword(password)).length < PASSWORD_MIN_CHARACTERS) {
    return `must have at least ${String(PASSWORD_MIN_CHARACTERS)} characters`;
  }
  if (common.has(canonicalPassword(password).toLowerCase())) {
    return 'is one of the most used passwords; choose another';
  }
  return undefined;
}

export function IsNewPassword(): PropertyDecorator {
  return ValidateBy({
    name: 'isPassword',
    validator: {
      validate: (value: unknown) => passwordFault(value) === undefined,
      defaultMessage: buildMessage(
        (prefix, args) => `${prefix}$property ${passwordFault(args?.value) ?? ''}`,
      ),
    },
  });
}
