import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AppConfig } from '../config/app-config';
import type { Mail } from './mail';

/** Hands a message over; rejects when it was not taken. */
export type MailTransport = (id: string, mail: Mail & { to: string }) => Promise<void>;

/** Longer than a working mail server takes, short enough to get on with the next. */
const TIMEOUT_MS = 15_000;

/** The package is loaded here and nowhere else: where no mail server is named it is not even read. */
async function openSmtp(url: string) {
  const { createTransport } = await import('nodemailer');
  return createTransport({
    url,
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
  });
}

function smtpTransport(url: string, from: string): MailTransport {
  // Now, and not at the first message: reading a package would hold up requests.
  const opened = openSmtp(url);
  return async (id, mail) => {
    const transport = await opened;
    // The id makes a repeat after a lost answer recognisable to the receiving side.
    await transport.sendMail({ from, ...mail, messageId: `<${id}@crm>` });
  };
}

/** For a laptop without a mail server: each message becomes a file to look at. */
function fileTransport(folder: string, from: string): MailTransport {
  return async (id, mail) => {
    await mkdir(folder, { recursive: true });
    const text = `From: ${from}\nTo: ${mail.to}\nSubject: ${mail.subject}\n\n${mail.text}\n`;
    await writeFile(join(folder, `${id}.txt`), text, { mode: 0o600 });
  };
}

export function createMailTransport(config: AppConfig['mail']): MailTransport {
  return config.smtpUrl === null
    ? fileTransport(config.folder, config.from)
    : smtpTransport(config.smtpUrl, config.from);
}
