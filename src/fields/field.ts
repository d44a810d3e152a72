import type { z } from 'zod';

/** The kinds of a custom field. */
export const FIELD_KINDS = [
  'text',
  'number',
  'money',
  'date',
  'datetime',
  'boolean',
  'select',
  'multi_select',
  'url',
  'email',
  'phone',
  'reference',
] as const;
export type FieldKind = (typeof FIELD_KINDS)[number];

/** A field that an organization has added to the records of one object. */
export interface Field {
  organizationId: string;
  /** The kind of record it belongs to, e.g. `contacts`. */
  object: string;
  /** Its name in `custom`. */
  key: string;
  label: string;
  kind: FieldKind;
  /** Must have a value in every record that is created or changed from now on. */
  required: boolean;
  /** No two live records of the object have the same value. */
  unique: boolean;
  /** Lists can be filtered and sorted by it. */
  indexed: boolean;
  /** What can be chosen: select and multi_select only. */
  options: string[];
  /** The kind of record a reference leads to. */
  referenceTo: string | null;
  /** Out of use: hidden and not writable; its values stay, should it come back. */
  archived: boolean;
  version: number;
  createdAt: Date;
  updatedAt: Date;
}

/** The check of one value of a custom field; null clears it where it is not required. */
export type FieldSchema = z.ZodType;
