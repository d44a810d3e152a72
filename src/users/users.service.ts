import type { KeyObject } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { v7 as timeOrderedId } from 'uuid';
import { AuditService } from '../audit/audit.service';
import { decodeCursor, encodeCursor } from '../common/cursor';
import { AppError } from '../common/errors';
import { isReplay, newId } from '../common/operation';
import { Page, type PageQueryDto } from '../common/page';
import type { Principal } from '../common/principal';
import type { AppConfig } from '../config/app-config';
import { EmailClaimsRepository } from './email-claims.repository';
import type { User, UserChange, UserCredentials } from './user';
import { UserCreationService } from './user-creation.service';
import type { NewUser } from './user';
import { UsersRepository } from './users.repository';

const UPDATE_ATTEMPTS = 10;

@Injectable()
export class UsersService {
  private readonly cursorKey: KeyObject;

  constructor(
    private readonly users: UsersRepository,
    private readonly claims: EmailClaimsRepository,
    private readonly creation: UserCreationService,
    private readonly audit: AuditService,
    config: ConfigService<AppConfig, true>,
  ) {
    this.cursorKey = config.get('cursorKey', { infer: true });
  }

  /** The organization's users, oldest first. */
  async list(caller: Principal, query: PageQueryDto): Promise<Page<User>> {
    const scope = `users:${caller.organizationId}`;
    const after =
      query.cursor === undefined ? undefined : decodeCursor(this.cursorKey, scope, query.cursor)[0];
    // One more than asked for tells whether there is a next page.
    const found = await this.users.listAfter(caller.organizationId, after, query.limit + 1);
    const items = found.slice(0, query.limit);
    const last = items.at(-1);
    const next =
      found.length > query.limit && last ? encodeCursor(this.cursorKey, scope, [last.id]) : null;
    return new Page(items, query.limit, next);
  }

  /** @throws AppError NOT_FOUND, also for a user of another organization */
  async get(caller: Principal, id: string): Promise<User> {
    const user = await this.users.findById(caller.organizationId, id);
    if (!user) throw new AppError('NOT_FOUND');
    return user;
  }

  /**
   * Changes a user. Nobody changes his own role or status: that would be the short way to lock an
   * organization out, or to grow one's own rights.
   * @throws AppError NOT_FOUND, FORBIDDEN, LAST_ADMIN, CONFLICT
   */
  async change(caller: Principal, id: string, change: UserChange): Promise<User> {
    if (id === caller.userId && (change.role !== undefined || change.status !== undefined)) {
      throw new AppError('FORBIDDEN', {
        message: 'Your own role and status can only be changed by another admin.',
      });
    }
    const isOfRights = change.role !== undefined || change.status !== undefined;
    if (!isOfRights) return this.apply(caller, id, change);
    const details = Object.fromEntries(
      Object.entries({ role: change.role, status: change.status }).filter(([, value]) => value),
    ) as Record<string, string>;
    const { organizationId } = caller;
    await this.get(caller, id);
    return this.audit.around(
      { organizationId, action: 'user.changed', actor: caller, targetId: id, details },
      () => this.apply(caller, id, change),
    );
  }

  private async apply(caller: Principal, id: string, change: UserChange): Promise<User> {
    for (let attempt = 0; attempt < UPDATE_ATTEMPTS; attempt++) {
      const user = await this.get(caller, id);
      if (isNoChange(user, change)) return user;
      const adminsDelta = isActiveAdmin({ ...user, ...definedOf(change) }) - isActiveAdmin(user);
      const from = adminsDelta === 0 ? null : await this.users.readAdminCount(user.organizationId);
      const to = (from ?? 0) + adminsDelta;
      if (adminsDelta < 0 && to < 1) throw new AppError('LAST_ADMIN');
      // A user who comes back later must not find his old sessions alive.
      const update = { ...change, endSessions: change.status === 'deactivated' };
      if (await this.users.update(user, update, adminsDelta === 0 ? undefined : { from, to })) {
        return this.get(caller, id);
      }
      await sleep(Math.random() * 50 * (attempt + 1));
    }
    throw new AppError('CONFLICT');
  }

  /** Ends the user's access from his next request on. Doing it again changes nothing. */
  async deactivate(caller: Principal, id: string): Promise<void> {
    await this.change(caller, id, { status: 'deactivated' });
  }

  /** Ends every session of a user, from the next request on. */
  async endSessions(caller: Principal, id: string): Promise<void> {
    const { organizationId } = caller;
    await this.get(caller, id);
    await this.audit.around(
      { organizationId, action: 'user.sessions_ended', actor: caller, targetId: id },
      () => this.updateUntilDone(() => this.get(caller, id), { endSessions: true }),
    );
  }

  /** Sets a new password and ends every session, in one write. Returns the user afterwards. */
  async setPassword(user: User, passwordHash: string): Promise<User> {
    const read = async () => {
      const current = await this.users.findById(user.organizationId, user.id);
      if (current?.status !== 'active') throw new AppError('UNAUTHENTICATED');
      return current;
    };
    await this.updateUntilDone(read, { passwordHash, endSessions: true });
    return read();
  }

  private async updateUntilDone(
    read: () => Promise<User>,
    update: { passwordHash?: string; endSessions: true },
  ): Promise<void> {
    for (let attempt = 0; attempt < UPDATE_ATTEMPTS; attempt++) {
      if (await this.users.update(await read(), update)) return;
      await sleep(Math.random() * 50 * (attempt + 1));
    }
    throw new AppError('CONFLICT');
  }

  /** An id for `create`: the same one when the request is sent again, unless it has been fenced. */
  async idForNew(organizationId: string): Promise<string> {
    const id = newId('user');
    if (!isReplay()) return id;
    const state = await this.users.settledState(organizationId, id);
    return state === 'fenced' ? timeOrderedId() : id;
  }

  /** See UserCreationService.create. The caller has checked that the organization may have him. */
  async create(organizationId: string, user: NewUser): Promise<User> {
    await this.creation.create(organizationId, user);
    const created = await this.users.findById(organizationId, user.id);
    if (!created) throw new Error('A user that was just created is not there');
    return created;
  }

  /**
   * A user by id, whoever asks; for the guard, which does not know its caller yet.
   * @param recently as he was up to a second ago will do
   */
  findById(organizationId: string, id: string, recently = false): Promise<User | undefined> {
    return recently
      ? this.users.findRecent(organizationId, id)
      : this.users.findById(organizationId, id);
  }

  /** What became of a creation that somebody else began under this id. */
  settledState(organizationId: string, id: string): Promise<'user' | 'fenced' | 'absent'> {
    return this.users.settledState(organizationId, id);
  }

  /** Keeps an unfinished creation from ever finishing. False: it has finished. */
  fence(organizationId: string, id: string): Promise<boolean> {
    return this.users.fence(organizationId, id);
  }

  async findByEmail(organizationId: string, email: string): Promise<User | undefined> {
    return (await this.findCredentials(organizationId, email))?.user;
  }

  findCredentialsById(organizationId: string, id: string): Promise<UserCredentials | undefined> {
    return this.users.findCredentials(organizationId, id);
  }

  /** For login: a claim counts only if its user is there and has this very address. */
  async findCredentials(
    organizationId: string,
    email: string,
  ): Promise<UserCredentials | undefined> {
    const claim = await this.claims.find(organizationId, email);
    if (!claim) return undefined;
    const credentials = await this.users.findCredentials(organizationId, claim.userId);
    return credentials?.user.email === email ? credentials : undefined;
  }

  /** Replaces the hash, unless the user has changed meanwhile: then it waits for the next login. */
  async upgradePasswordHash(user: User, passwordHash: string): Promise<void> {
    await this.users.update(user, { passwordHash });
  }
}

function isActiveAdmin(user: Pick<User, 'role' | 'status'>): 0 | 1 {
  return user.role === 'admin' && user.status === 'active' ? 1 : 0;
}

function definedOf(change: UserChange): Partial<User> {
  return Object.fromEntries(Object.entries(change).filter(([, value]) => value !== undefined));
}

function isNoChange(user: User, change: UserChange): boolean {
  return Object.entries(definedOf(change)).every(
    ([field, value]) => user[field as keyof User] === value,
  );
}
