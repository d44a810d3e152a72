import { timingSafeEqual } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { v7 as timeOrderedId } from 'uuid';
import { AuditService } from '../audit/audit.service';
import { AppError } from '../common/errors';
import { hashSecret, newSecret } from '../common/opaque-token';
import { lesserRole, type Role } from '../common/permissions';
import type { Principal } from '../common/principal';
import { JobCallers } from '../jobs/job-callers.service';
import { OrganizationsService } from '../organizations/organizations.service';
import { UsersService } from '../users/users.service';
import { type ApiKey, decodeApiKey, encodeApiKey } from './api-key';
import { ApiKeysRepository } from './api-keys.repository';

/** More than an organization has integrations. */
const LIMIT = 100;
const DAY_MS = 86_400_000;
const USE_NOTED_EVERY_MS = 3_600_000;

export interface NewApiKey {
  name: string;
  role: Role;
  expiresInDays: number;
}

@Injectable()
export class ApiKeysService implements OnModuleInit {
  constructor(
    private readonly keys: ApiKeysRepository,
    private readonly users: UsersService,
    private readonly organizations: OrganizationsService,
    private readonly audit: AuditService,
    private readonly jobCallers: JobCallers,
  ) {}

  /** What was begun with a key goes on only as long as the key is good. */
  onModuleInit(): void {
    this.jobCallers.useKeys(async (organizationId, id) => {
      const key = await this.keys.find(organizationId, id);
      return key && this.callerBy(key, new Date());
    });
  }

  /** The organization's keys, without their secrets. */
  list(caller: Principal): Promise<ApiKey[]> {
    return this.keys.list(caller.organizationId, LIMIT);
  }

  /**
   * Makes a key. Its text is returned here and never again.
   * @throws AppError FORBIDDEN for a role above the caller's, CONFLICT when there are too many keys
   */
  async create(caller: Principal, input: NewApiKey): Promise<{ key: ApiKey; text: string }> {
    const { organizationId, userId, role } = caller;
    if (lesserRole(role, input.role) !== input.role) throw new AppError('FORBIDDEN');
    if ((await this.list(caller)).length >= LIMIT) {
      throw new AppError('CONFLICT', {
        message: `There are ${String(LIMIT)} keys already; revoke some first.`,
      });
    }
    const secret = newSecret();
    const now = Date.now();
    const key: ApiKey = {
      organizationId,
      id: timeOrderedId(),
      name: input.name,
      role: input.role,
      secretHash: hashSecret(secret),
      createdBy: userId,
      createdAt: new Date(now),
      expiresAt: new Date(now + input.expiresInDays * DAY_MS),
      lastUsedAt: null,
    };
    const details = { name: key.name, role: key.role };
    await this.audit.around(
      { organizationId, action: 'api_key.created', actor: caller, targetId: key.id, details },
      () => this.keys.insert(key),
    );
    return { key, text: encodeApiKey(organizationId, key.id, secret) };
  }

  /** From the next request on the key opens nothing. @throws AppError NOT_FOUND */
  async revoke(caller: Principal, id: string): Promise<void> {
    const { organizationId } = caller;
    if (!(await this.keys.find(organizationId, id))) throw new AppError('NOT_FOUND');
    await this.audit.around(
      { organizationId, action: 'api_key.revoked', actor: caller, targetId: id },
      () => this.keys.remove(organizationId, id),
    );
  }

  /**
   * Who calls with this key: its maker, with the lesser of the key's role and his own of today.
   * undefined for a key that is unknown, expired or revoked, or whose maker is gone.
   */
  async authenticate(text: string): Promise<Principal | undefined> {
    const given = decodeApiKey(text);
    if (!given) return undefined;
    const { organizationId, id, secret } = given;
    const by = async (key: ApiKey | undefined, recently: boolean) => {
      if (!key || !timingSafeEqual(key.secretHash, hashSecret(secret))) return undefined;
      const now = new Date();
      const caller = await this.callerBy(key, now, recently);
      if (caller && now.getTime() - (key.lastUsedAt?.getTime() ?? 0) > USE_NOTED_EVERY_MS) {
        await this.keys.touch(key, now);
      }
      return caller;
    };
    return (
      (await by(await this.keys.findRecent(organizationId, id), true)) ??
      (await by(await this.keys.find(organizationId, id), false))
    );
  }

  private async callerBy(key: ApiKey, now: Date, recently = false): Promise<Principal | undefined> {
    if (key.expiresAt <= now) return undefined;
    const [maker, open] = await Promise.all([
      this.users.findById(key.organizationId, key.createdBy, recently),
      this.organizations.isOpen(key.organizationId, recently),
    ]);
    if (maker?.status !== 'active' || !open) return undefined;
    return {
      userId: maker.id,
      organizationId: key.organizationId,
      role: lesserRole(key.role, maker.role),
      makerRole: maker.role,
      apiKeyId: key.id,
    };
  }
}
