import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService, type Statement } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import { Recent } from '../common/recent';
import type { Role } from '../common/permissions';
import type { NewUser, User, UserCredentials, UserStatus } from './user';

/** `fenced` is no user: it holds the place of an id so that nobody can commit a user under it. */
type RowStatus = UserStatus | 'fenced';

interface UserRow {
  organization_id: string;
  id: { toString(): string };
  email: string;
  password_hash: string;
  first_name: string | null;
  last_name: string | null;
  role: Role;
  status: RowStatus;
  version: number;
  session_epoch: number;
  created_at: Date;
  updated_at: Date;
  admin_count: number | null;
  operation_id: { toString(): string } | null;
}

const COLUMNS = `organization_id, id, email, password_hash, first_name, last_name, role, status,
  version, session_epoch, operation_id, created_at, updated_at, admin_count`;

const findById = defineQuery<UserRow>(
  'users.findById',
  `SELECT ${COLUMNS} FROM users WHERE organization_id = :organization_id AND id = :id`,
);
const listAfter = defineQuery<UserRow>(
  'users.listAfter',
  `SELECT ${COLUMNS} FROM users WHERE organization_id = :organization_id AND id > :after LIMIT :size`,
);
const readAdminCount = defineQuery<{ admin_count: number | null }>(
  'users.readAdminCount',
  'SELECT admin_count FROM users WHERE organization_id = :organization_id LIMIT 1',
);
const insert = defineQuery(
  'users.insert',
  `INSERT INTO users (organization_id, id, email, password_hash, first_name, last_name, role, status,
     version, session_epoch, operation_id, created_at, updated_at)
   VALUES (:organization_id, :id, :email, :password_hash, :first_name, :last_name, :role, 'active',
     1, 1, :operation_id, :now, :now)
   IF NOT EXISTS`,
);
// A day is far beyond the longest stall of a request: its process gives up after minutes.
const insertFence = defineQuery(
  'users.insertFence',
  `INSERT INTO users (organization_id, id, status) VALUES (:organization_id, :id, 'fenced')
   IF NOT EXISTS USING TTL 86400`,
);
const update = defineQuery(
  'users.update',
  `UPDATE users SET first_name = :first_name, last_name = :last_name, role = :role,
     status = :status, password_hash = :password_hash, session_epoch = :session_epoch,
     version = :next_version,
     operation_id = :operation_id, updated_at = :now
   WHERE organization_id = :organization_id AND id = :id IF version = :version`,
);
const setAdminCount = defineQuery(
  'users.setAdminCount',
  `UPDATE users SET admin_count = :admin_count WHERE organization_id = :organization_id
   IF admin_count = :expected_admin_count`,
);

/** What one conditional update may change. */
export interface UserUpdate {
  firstName?: string | null;
  lastName?: string | null;
  role?: Role;
  status?: UserStatus;
  passwordHash?: string;
  /** Ends every session of the user. */
  endSessions?: boolean;
}

/** A change of the number of active admins, from what it was read as. */
export interface AdminCountChange {
  from: number | null;
  to: number;
}

const SMALLEST_ID = '00000000-0000-0000-0000-000000000000';

@Injectable()
export class UsersRepository {
  private readonly recent = new Recent<User>();

  constructor(private readonly cassandra: CassandraService) {}

  /** As it is, or was up to a second ago. */
  findRecent(organizationId: string, id: string): Promise<User | undefined> {
    return this.recent.read(`${organizationId} ${id}`, () => this.findById(organizationId, id));
  }

  /** `serial` also sees a user whose creation nobody has been told of yet. */
  async findById(organizationId: string, id: string, serial = false): Promise<User | undefined> {
    return (await this.findCredentials(organizationId, id, serial))?.user;
  }

  async findCredentials(
    organizationId: string,
    id: string,
    serial = false,
  ): Promise<UserCredentials | undefined> {
    const row = await this.findRow(organizationId, id, serial);
    return row && isUser(row) ? { user: toUser(row), passwordHash: row.password_hash } : undefined;
  }

  /** Users in the order of their ids, which is the order of their creation. */
  async listAfter(
    organizationId: string,
    after: string | undefined,
    size: number,
  ): Promise<User[]> {
    const users: User[] = [];
    let position = after ?? SMALLEST_ID;
    // Fences take up places of a page; they are few and expire.
    for (;;) {
      const params = { organization_id: organizationId, after: position };
      const rows = await this.cassandra.page(listAfter, params, size);
      users.push(...rows.filter(isUser).map(toUser));
      const last = rows.at(-1);
      if (users.length >= size || rows.length < size || !last) return users.slice(0, size);
      position = last.id.toString();
    }
  }

  /** The number of active admins; null for an organization that never had a user. */
  async readAdminCount(organizationId: string): Promise<number | null> {
    const row = await this.cassandra.first(readAdminCount, { organization_id: organizationId });
    return row?.admin_count ?? null;
  }

  /**
   * The commit point of a creation. False: the id is fenced, or (with `admins`) the number of
   * admins has changed meanwhile.
   */
  async insert(organizationId: string, user: NewUser, admins?: AdminCountChange): Promise<boolean> {
    const key = { organization_id: organizationId, id: user.id };
    const params = {
      ...key,
      email: user.email,
      password_hash: user.passwordHash,
      first_name: user.firstName ?? undefined,
      last_name: user.lastName ?? undefined,
      role: user.role,
      operation_id: randomId(),
      now: new Date(),
    };
    const result = await this.cassandra.lwt(
      [{ query: insert, params }, ...this.adminCount(organizationId, admins)],
      async () => (await this.findById(organizationId, user.id, true)) !== undefined,
    );
    return result.applied;
  }

  /** Keeps a user from ever being committed under `id`. False: he is already there. */
  async fence(organizationId: string, id: string): Promise<boolean> {
    const result = await this.cassandra.lwt(
      [{ query: insertFence, params: { organization_id: organizationId, id } }],
      () => this.isFenced(organizationId, id),
    );
    return result.applied || this.isFenced(organizationId, id);
  }

  async isFenced(organizationId: string, id: string): Promise<boolean> {
    return (await this.settledState(organizationId, id)) === 'fenced';
  }

  /** What became of an id, conditional writes included whose outcome nobody was told. */
  async settledState(organizationId: string, id: string): Promise<'user' | 'fenced' | 'absent'> {
    const row = await this.findRow(organizationId, id, true);
    if (!row) return 'absent';
    return isUser(row) ? 'user' : 'fenced';
  }

  /** Changes a user if he is still as `current` says. False: he is not. */
  async update(current: User, change: UserUpdate, admins?: AdminCountChange): Promise<boolean> {
    const operationId = randomId();
    const params = {
      organization_id: current.organizationId,
      id: current.id,
      first_name: change.firstName,
      last_name: change.lastName,
      role: change.role,
      status: change.status,
      password_hash: change.passwordHash,
      session_epoch: change.endSessions ? current.version + 1 : undefined,
      version: current.version,
      next_version: current.version + 1,
      operation_id: operationId,
      now: new Date(),
    };
    const isMine = async () => {
      const row = await this.findRow(current.organizationId, current.id, true);
      return row?.operation_id?.toString() === operationId;
    };
    const statements = [
      { query: update, params },
      ...this.adminCount(current.organizationId, admins),
    ];
    const { applied } = await this.recent.write(`${current.organizationId} ${current.id}`, () =>
      this.cassandra.lwt(statements, isMine),
    );
    return applied;
  }

  private adminCount(organizationId: string, change?: AdminCountChange): Statement[] {
    if (!change) return [];
    const params = {
      organization_id: organizationId,
      admin_count: change.to,
      expected_admin_count: change.from,
    };
    return [{ query: setAdminCount, params }];
  }

  private findRow(organizationId: string, id: string, serial: boolean) {
    const params = { organization_id: organizationId, id };
    return this.cassandra.first(findById, params, { serial });
  }
}

function isUser(row: UserRow): boolean {
  return row.status === 'active' || row.status === 'deactivated';
}

function toUser(row: UserRow): User {
  return {
    organizationId: row.organization_id,
    id: row.id.toString(),
    email: row.email,
    firstName: row.first_name,
    lastName: row.last_name,
    role: row.role,
    status: row.status === 'active' ? 'active' : 'deactivated',
    version: row.version,
    sessionEpoch: row.session_epoch,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  };
}
