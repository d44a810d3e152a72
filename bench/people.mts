// Contacts to be written: each with a name, an email, a phone number and a city, and none twice.
import { randomUUID } from 'node:crypto';

let serial = 0;

export function contact() {
  serial += 1;
  return {
    first_name: `First${String(serial)}`,
    last_name: `Last${String(serial)}`,
    emails: [{ value: `${randomUUID()}@example.com` }],
    phones: [{ value: `+49 30 ${String(1_000_000 + serial)}` }],
    address: { city: 'Berlin' },
  };
}

/** What is changed of one: rows for other names and another number come, the old ones go. */
export function otherNameAndPhone() {
  const { last_name, phones } = contact();
  return { last_name, phones };
}

export function batchOf(size: number) {
  return {
    operation: 'create',
    items: Array.from({ length: size }, () => ({ data: contact() })),
  };
}

/** As the body of an import, with its type. */
export async function fileOf(rows: number): Promise<{ body: Buffer; type: string }> {
  const lines = Array.from({ length: rows }, () => {
    const { first_name, last_name, emails, phones, address } = contact();
    return [first_name, last_name, emails[0]?.value, phones[0]?.value, address.city].join(',');
  });
  const form = new FormData();
  form.set('object', 'contacts');
  const text = `first name,last name,email,phone,city\n${lines.join('\n')}\n`;
  form.set('file', new Blob([text]), 'contacts.csv');
  const encoded = new Response(form);
  const type = encoded.headers.get('content-type') ?? '';
  return { body: Buffer.from(await encoded.arrayBuffer()), type };
}
