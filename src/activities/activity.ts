import { z } from 'zod';
import { dateTime, id, text } from '../fields/kinds';
import type { RecordData } from '../records/record';
import { defineRecord, type Filter, type Reference } from '../records/record-definition';
import { referenceScope } from '../records/scopes';

const KINDS = ['task', 'call', 'meeting', 'note', 'email'] as const;
type Kind = (typeof KINDS)[number];
const STATUSES = ['open', 'done', 'cancelled'] as const;
type Status = (typeof STATUSES)[number];
const PRIORITIES = ['low', 'normal', 'high'] as const;
const LINKED = ['companies', 'contacts', 'deals'] as const;
const LINKS_MAX = 20;

/** A record that an activity is about. */
export interface Link {
  object: (typeof LINKED)[number];
  id: string;
}

export interface ActivityData extends RecordData {
  kind: Kind;
  subject: string;
  body: string | null;
  /** Undefined where a client has not said it: ActivitiesService knows what it is then. */
  status?: Status;
  priority: (typeof PRIORITIES)[number];
  due_at: string | null;
  start_at: string | null;
  end_at: string | null;
  /** Undefined like `status`. */
  assignee_id?: string | null;
  links: Link[];
  completed_at: string | null;
}

/** What was written down or sent has happened already; all else is to be done. */
export function initialStatus(kind: Kind): Status {
  return kind === 'note' || kind === 'email' ? 'done' : 'open';
}

/** The place of what is never due: behind every time, and before the end of a list. */
const NEVER = '~';

const keyOf = ({ object, id: linked }: Link) => `${object}:${linked}`;

function distinct(links: readonly Link[]): Link[] {
  return [...new Map(links.map((link) => [keyOf(link), link])).values()];
}

function linksTo(object: Link['object']): Reference<ActivityData> {
  return {
    field: 'links',
    object,
    ids: ({ links }) => links.filter((link) => link.object === object).map((link) => link.id),
    replace: (data, from, to) => {
      const turned = data.links.map((link) =>
        link.object === object && link.id === from ? { object, id: to } : link,
      );
      return { ...data, links: distinct(turned) };
    },
  };
}

function linkFilter(object: Link['object'], description: string): Filter<ActivityData> {
  return {
    schema: id(),
    description,
    matches: ({ data }, value) => data.links.some((link) => keyOf(link) === `${object}:${value}`),
    scope: (value) => referenceScope(object, value),
  };
}

const isOverdue = ({ status, due_at }: ActivityData) =>
  status === 'open' && due_at !== null && due_at < new Date().toISOString();

const todoScope = (assigneeId: string) => `todo:${assigneeId}`;

/** What one does with customers, has done, or means to do. */
export const activities = defineRecord<ActivityData>({
  object: 'activities',
  title: 'Activity',
  schema: z.strictObject({
    kind: z.enum(KINDS).meta({ example: 'task' }),
    subject: text(200).meta({ description: 'Up to 200 characters.', example: 'Send the offer' }),
    body: text(10_000).nullable().default(null).meta({ description: 'Notes.', example: null }),
    status: z.enum(STATUSES).optional().meta({
      description: 'Unless told: done for a note or an email, open for anything else.',
      example: 'open',
    }),
    priority: z.enum(PRIORITIES).default('normal').meta({ example: 'normal' }),
    due_at: dateTime().nullable().default(null).meta({ description: 'Until when to do it.' }),
    start_at: dateTime().nullable().default(null).meta({ description: 'When it begins.' }),
    end_at: dateTime()
      .nullable()
      .default(null)
      .meta({ description: 'When it ends; not before it begins.' }),
    assignee_id: id().nullable().optional().meta({
      description: 'The user who is to do it; the owner of a task unless told.',
      example: null,
    }),
    links: z
      .array(z.strictObject({ object: z.enum(LINKED), id: id() }))
      .max(LINKS_MAX)
      .refine((links) => distinct(links).length === links.length, {
        error: 'must be distinct',
        params: { rule: 'arrayUnique' },
      })
      .default([])
      .meta({ description: 'The records it is about, up to 20.', example: [] }),
  }),
  output: z.strictObject({
    completed_at: dateTime().nullable().meta({ description: 'When its status became done.' }),
  }),
  check: ({ start_at, end_at }) =>
    start_at !== null && end_at !== null && end_at < start_at
      ? [{ field: 'end_at', rule: 'notBefore', message: 'end_at must not be before start_at' }]
      : [],
  nameOf: ({ subject }) => subject,
  subtitleOf: ({ kind, due_at }) => (due_at === null ? kind : `${kind}, ${due_at.slice(0, 10)}`),
  users: ['assignee_id'],
  owners: ({ owner_id, assignee_id }) =>
    [owner_id, assignee_id ?? null].filter((user) => user !== null),
  references: LINKED.map(linksTo),
  isOnlyAbout: ({ links }, ids) => links.length > 0 && links.every((link) => ids.has(link.id)),
  orders: { due_at: { key: ({ due_at }) => due_at ?? NEVER } },
  scopes: ({ kind, status, assignee_id }) => [
    `kind:${kind}`,
    ...(status ? [`status:${status}`] : []),
    ...(assignee_id ? [`assignee:${assignee_id}`] : []),
    ...(assignee_id && status === 'open' ? [todoScope(assignee_id)] : []),
  ],
  jointScope: ({ assignee_id, status, overdue }) => {
    if (assignee_id === undefined) return undefined;
    const isOpen = status === 'open' || overdue === 'true';
    const scope = isOpen ? todoScope(assignee_id) : `assignee:${assignee_id}`;
    return { scope, owner: assignee_id };
  },
  filters: {
    company_id: linkFilter('companies', 'Activities about this company.'),
    contact_id: linkFilter('contacts', 'Activities about this contact.'),
    deal_id: linkFilter('deals', 'Activities about this deal.'),
    assignee_id: {
      schema: id(),
      description: 'Activities that this user is to do; with `status=open` his to-do list.',
      matches: ({ data }, value) => data.assignee_id === value,
      scope: (value) => `assignee:${value}`,
    },
    kind: {
      schema: z.enum(KINDS),
      description: 'Activities of this kind.',
      matches: ({ data }, value) => data.kind === value,
      scope: (value) => `kind:${value}`,
    },
    status: {
      schema: z.enum(STATUSES),
      description: 'Activities of this status.',
      matches: ({ data }, value) => data.status === value,
      scope: (value) => `status:${value}`,
    },
    overdue: {
      schema: z.enum(['true', 'false']),
      description: 'true: open and due before now; false: all others.',
      matches: ({ data }, value) => isOverdue(data) === (value === 'true'),
      scope: (value) => (value === 'true' ? 'status:open' : undefined),
      range: (value) =>
        value === 'true' ? { order: 'due_at', to: new Date().toISOString() } : undefined,
    },
    due_from: {
      schema: dateTime(),
      description: 'Due, and not before.',
      matches: ({ data }, value) => data.due_at !== null && data.due_at >= value,
      range: (value) => ({ order: 'due_at', from: value, to: NEVER }),
    },
    due_to: {
      schema: dateTime(),
      description: 'Due before.',
      matches: ({ data }, value) => data.due_at !== null && data.due_at < value,
      range: (value) => ({ order: 'due_at', to: value }),
    },
  },
});
