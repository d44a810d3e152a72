import { createHash } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { CassandraService, type Params } from '../cassandra/cassandra.service';
import { defineQuery, type Query } from '../cassandra/define-query';
import { OBJECTS } from '../common/permissions';

interface OwnedRow {
  organization_id: string;
}

/** A table of which an organization owns partitions: how to delete one, and how to look for it. */
interface OwnedTable {
  table: string;
  erase: Query;
  look: Query<OwnedRow>;
}

// The timestamp is an hour ahead: conditional writes take theirs from the clocks of the servers,
// which may be ahead of ours, and under this organization nothing is ever written again.
const CLOCK_MARGIN_MS = 3_600_000;

function owned(table: string, ...others: string[]): OwnedTable {
  const key = ['organization_id', ...others].map((name) => `${name} = :${name}`).join(' AND ');
  return {
    table,
    erase: defineQuery(
      `${table}.erase`,
      `DELETE FROM ${table} USING TIMESTAMP :microseconds WHERE ${key}`,
    ),
    look: defineQuery<OwnedRow>(
      `${table}.look`,
      `SELECT organization_id FROM ${table} WHERE ${key} LIMIT 1`,
    ),
  };
}

const OF_THE_ORGANIZATION = ['users_by_email', 'invitations', 'api_keys'].map((table) =>
  owned(table),
);
const OF_A_USER = ['sessions', 'password_resets'].map((table) => owned(table, 'user_id'));
const OF_AN_ACCOUNT = owned('login_addresses', 'account');
const OF_AN_OBJECT = owned('fields', 'object');
const OF_A_MONTH = owned('audit', 'month');
const USERS = owned('users');

const listUsers = defineQuery<{ id: { toString(): string } | null; email: string | null }>(
  'users.listForErasure',
  `SELECT id, email FROM users WHERE organization_id = :organization_id AND id > :after LIMIT :size`,
);

/** As many months as entries of the audit trail live, and one more. */
const MONTHS = 16;
const PAGE = 500;
const SMALLEST_ID = '00000000-0000-0000-0000-000000000000';

/** Everything that tables hold of one organization. A new table of the tenant's has to be entered. */
@Injectable()
export class OrganizationDataRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** Deletes it, users last: they lead to what is theirs, also in a second run. */
  async erase(organizationId: string): Promise<void> {
    for await (const { table, params } of this.partitions(organizationId)) {
      const microseconds = (Date.now() + CLOCK_MARGIN_MS) * 1000;
      await this.cassandra.run(table.erase, { ...params, microseconds });
    }
  }

  /** The tables that still have something of it. */
  async whatIsLeft(organizationId: string): Promise<string[]> {
    const left: string[] = [];
    for await (const { table, params } of this.partitions(organizationId)) {
      if (await this.cassandra.first(table.look, params)) left.push(table.table);
    }
    return left;
  }

  private async *partitions(
    organizationId: string,
  ): AsyncGenerator<{ table: OwnedTable; params: Params }> {
    const own = { organization_id: organizationId };
    for (const table of OF_THE_ORGANIZATION) yield { table, params: own };
    for (const object of OBJECTS) yield { table: OF_AN_OBJECT, params: { ...own, object } };
    for (let index = 0, now = new Date(); index < MONTHS; index++) {
      const first = new Date(Date.UTC(now.getUTCFullYear(), now.getUTCMonth() + 1 - index, 1));
      yield { table: OF_A_MONTH, params: { ...own, month: first.toISOString().slice(0, 7) } };
    }
    for (let after = SMALLEST_ID; ;) {
      const users = await this.cassandra.page(listUsers, { ...own, after }, PAGE);
      for (const { id, email } of users) {
        if (id === null) continue;
        after = id.toString();
        for (const table of OF_A_USER) yield { table, params: { ...own, user_id: after } };
        const account = createHash('sha256')
          .update(`${organizationId} ${email ?? ''}`)
          .digest('hex');
        yield { table: OF_AN_ACCOUNT, params: { ...own, account } };
      }
      if (users.length < PAGE) break;
    }
    yield { table: USERS, params: own };
  }
}
