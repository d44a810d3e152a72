import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(__dirname, '..', '..', '.local', 'test-log');
const LOG = join(FOLDER, 'server.log');
const SECRETS = join(FOLDER, 'secrets.json');

/** Field names of requests and answers whose values must never be in a log. */
const SECRET_FIELDS = [
  'password',
  'current_password',
  'new_password',
  'access_token',
  'refresh_token',
  'invitation_token',
  'token',
  'key',
];
/** Shorter or simpler values (a password of 73 times the same letter) turn up by chance. */
const MIN_LENGTH = 8;
const MIN_DISTINCT = 6;

export function resetRunLog(): void {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
}

/** Every line that a server under test logs, whichever test started it. */
export function appendToRunLog(text: string): void {
  appendFileSync(LOG, text);
}

function isTelling(value: string): boolean {
  return value.length >= MIN_LENGTH && new Set(value).size >= MIN_DISTINCT;
}

export function rememberSecret(secret: string): void {
  appendFileSync(SECRETS, `${JSON.stringify(secret)}\n`);
}

/** Remembers the secrets in the body of a request or an answer. */
export function rememberSecrets(body: unknown): void {
  if (typeof body !== 'object' || body === null) return;
  for (const [name, value] of Object.entries(body)) {
    // A custom field has a key, too, which is no secret.
    const isSecret =
      SECRET_FIELDS.includes(name) && (name !== 'key' || /^crm_/.test(String(value)));
    if (isSecret && typeof value === 'string' && isTelling(value)) rememberSecret(value);
    rememberSecrets(value);
  }
}

/** The secrets of this run that are in its log; and how many there were of both. */
export function findLeaks(): { secrets: number; lines: number; leaks: string[] } {
  // Without a log there is nothing to find a secret in, and the search would prove nothing.
  if (!existsSync(LOG)) throw new Error('No server under test has logged anything');
  if (!existsSync(SECRETS)) return { secrets: 0, lines: 0, leaks: [] };
  const lines = readFileSync(SECRETS, 'utf8').trim().split('\n');
  const secrets = [...new Set(lines)].map((line) => JSON.parse(line) as string);
  const log = readFileSync(LOG, 'utf8');
  return {
    secrets: secrets.length,
    lines: log.split('\n').length,
    // As text, and as it would look inside a JSON line.
    leaks: secrets.filter(
      (secret) => log.includes(secret) || log.includes(JSON.stringify(secret).slice(1, -1)),
    ),
  };
}
