import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import type { Field, FieldKind } from './field';

interface FieldRow {
  organization_id: string;
  object: string;
  key: string;
  label: string;
  kind: FieldKind;
  required: boolean;
  unique: boolean;
  indexed: boolean;
  options: string[] | null;
  reference_to: string | null;
  archived: boolean;
  version: number;
  operation_id: { toString(): string };
  created_at: Date;
  updated_at: Date;
  changes: number;
}

const COLUMNS = `organization_id, object, key, label, kind, required, unique, indexed, options,
  reference_to, archived, version, operation_id, created_at, updated_at, changes`;
const OBJECT = 'organization_id = :organization_id AND object = :object';

const find = defineQuery<FieldRow>(
  'fields.find',
  `SELECT ${COLUMNS} FROM fields WHERE ${OBJECT} AND key = :key`,
);
const list = defineQuery<FieldRow>(
  'fields.list',
  `SELECT ${COLUMNS} FROM fields WHERE ${OBJECT} LIMIT :size`,
);
const insert = defineQuery(
  'fields.insert',
  `INSERT INTO fields (organization_id, object, key, label, kind, required, unique, indexed, options,
     reference_to, archived, version, operation_id, created_at, updated_at)
   VALUES (:organization_id, :object, :key, :label, :kind, :required, :unique, :indexed, :options,
     :reference_to, :archived, :version, :operation_id, :created_at, :updated_at)
   IF NOT EXISTS`,
);
const update = defineQuery(
  'fields.update',
  `UPDATE fields SET label = :label, required = :required, options = :options,
     archived = :archived, version = :version, operation_id = :operation_id,
     updated_at = :updated_at
   WHERE ${OBJECT} AND key = :key IF version = :expected_version`,
);
const countChange = defineQuery(
  'fields.countChange',
  `UPDATE fields SET changes = :changes WHERE ${OBJECT} IF changes = :expected_changes`,
);

/** The definitions of one object, and the number of changes that the next write has to name. */
export interface FieldList {
  fields: Field[];
  changes: number | null;
}

@Injectable()
export class FieldsRepository {
  constructor(private readonly cassandra: CassandraService) {}

  async find(organizationId: string, object: string, key: string): Promise<Field | undefined> {
    const row = await this.findRow(organizationId, object, key);
    return row && toField(row);
  }

  /** At most `size` definitions in the order of their keys. */
  async list(organizationId: string, object: string, size: number): Promise<FieldList> {
    const params = { organization_id: organizationId, object };
    const rows = await this.cassandra.page(list, params, size);
    return { fields: rows.map(toField), changes: rows[0]?.changes ?? null };
  }

  /** Writes a new field, or the next version of one. False: the object's fields have changed since. */
  async save(field: Field, changes: number | null): Promise<boolean> {
    const operationId = randomId();
    const partition = { organization_id: field.organizationId, object: field.object };
    const written = {
      ...partition,
      key: field.key,
      label: field.label,
      required: field.required,
      options: field.options,
      archived: field.archived,
      version: field.version,
      operation_id: operationId,
      updated_at: field.updatedAt,
    };
    const fixed = {
      kind: field.kind,
      unique: field.unique,
      indexed: field.indexed,
      reference_to: field.referenceTo,
      created_at: field.createdAt,
    };
    const statement =
      field.version === 1
        ? { query: insert, params: { ...written, ...fixed } }
        : { query: update, params: { ...written, expected_version: field.version - 1 } };
    const count = { ...partition, changes: (changes ?? 0) + 1, expected_changes: changes };
    const isMine = async () => {
      const row = await this.findRow(field.organizationId, field.object, field.key, true);
      return row?.operation_id.toString() === operationId;
    };
    const statements = [statement, { query: countChange, params: count }];
    return (await this.cassandra.lwt(statements, isMine)).applied;
  }

  private findRow(organizationId: string, object: string, key: string, serial = false) {
    const params = { organization_id: organizationId, object, key };
    return this.cassandra.first(find, params, { serial });
  }
}

function toField(row: FieldRow): Field {
  return {
    organizationId: row.organization_id,
    object: row.object,
    key: row.key,
    label: row.label,
    kind: row.kind,
    required: row.required,
    unique: row.unique,
    indexed: row.indexed,
    options: row.options ?? [],
    referenceTo: row.reference_to,
    archived: row.archived,
    version: row.version,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
