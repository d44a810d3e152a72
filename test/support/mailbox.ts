import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';
import { rememberSecret } from './run-log';

export interface ReceivedMail {
  to: string[];
  text: string;
}

/** A real mail server on loopback. */
export interface Mailbox {
  url: string;
  /** Everything received so far. */
  mails: ReceivedMail[];
  /** Refuses every message from now on, or takes them again. */
  refuse: (refusing: boolean) => void;
  /** The first mail to an address, waited for. */
  waitFor: (address: string, count?: number) => Promise<ReceivedMail>;
  close: () => Promise<void>;
}

/** Undoes quoted-printable, in which a long line is sent. */
function decode(raw: string): string {
  return raw
    .replace(/=\r?\n/g, '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(parseInt(hex, 16)));
}

export async function startMailbox(): Promise<Mailbox> {
  const mails: ReceivedMail[] = [];
  let refusing = false;
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onMailFrom(_address, _session, callback) {
      callback(refusing ? new Error('451 not now') : null);
    },
    onData(stream, session, callback) {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => {
        const text = decode(Buffer.concat(chunks).toString());
        const token = tokenIn(text);
        if (token !== undefined) rememberSecret(token);
        mails.push({ to: session.envelope.rcptTo.map(({ address }) => address), text });
        callback();
      });
    },
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${String(port)}`,
    mails,
    refuse: (now) => {
      refusing = now;
    },
    async waitFor(address, count = 1) {
      for (let attempt = 0; attempt < 300; attempt++) {
        const found = mails.filter(({ to }) => to.includes(address))[count - 1];
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      throw new Error(`no mail number ${String(count)} to ${address}`);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(resolve);
      }),
  };
}

/** The secret in the link of a mail. */
export function tokenIn(text: string): string | undefined {
  return /[?&]token=([\w-]+)/.exec(text)?.[1];
}
