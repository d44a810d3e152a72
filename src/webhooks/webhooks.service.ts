import { type KeyObject, randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { v7 as timeOrderedId } from 'uuid';
import { AuditService } from '../audit/audit.service';
import { ChangeReader } from '../changes/change-reader.service';
import { decodeCursor, encodeCursor } from '../common/cursor';
import { AppError, validationFailed } from '../common/errors';
import { Page } from '../common/page';
import type { Principal } from '../common/principal';
import { seal, unseal } from '../common/sealed';
import { type AppConfig, deriveKeys, type Keys } from '../config/app-config';
import { Eraser, type OwnedData } from '../organizations/eraser.service';
import { acceptedVersions, preconditionFailed } from '../records/precondition';
import { faultOfUrl } from './addresses';
import { DeliveriesRepository } from './deliveries.repository';
import { PendingRepository } from './pending.repository';
import {
  AGAIN_CHUNK,
  chunkOf,
  type Delivery,
  firstOf,
  SECRET_PREFIX,
  type Webhook,
} from './webhook';
import { WebhooksRepository } from './webhooks.repository';

/** More than an organization has receivers. */
const LIMIT = 20;
const SECRET_BYTES = 32;
/** How long an old secret signs along. */
const OVERLAP_MS = 86_400_000;
const CLOCK_MARGIN_MS = 3_600_000;
const WRITE_ATTEMPTS = 5;
const CHUNKS_OF_PAGE = 50;

export type WebhookInput = Pick<Webhook, 'url' | 'description' | 'objects' | 'kinds' | 'enabled'>;

/** Where the changes of an organization are sent. */
@Injectable()
export class WebhooksService implements OwnedData, OnModuleInit {
  private readonly keys: Keys;
  private readonly cursorKey: KeyObject;
  private readonly allowPrivate: boolean;

  constructor(
    private readonly webhooks: WebhooksRepository,
    private readonly pending: PendingRepository,
    private readonly sent: DeliveriesRepository,
    private readonly reader: ChangeReader,
    private readonly audit: AuditService,
    private readonly eraser: Eraser,
    config: ConfigService<AppConfig, true>,
  ) {
    this.keys = deriveKeys(config.get('auth', { infer: true }), 'webhook secret');
    this.cursorKey = config.get('cursorKey', { infer: true });
    this.allowPrivate = config.get('webhooks', { infer: true }).allowPrivate;
  }

  onModuleInit(): void {
    this.eraser.eraseFirst(this);
  }

  async list({ organizationId }: Pick<Principal, 'organizationId'>): Promise<Webhook[]> {
    return (await this.webhooks.list(organizationId)).webhooks;
  }

  /** @throws AppError NOT_FOUND */
  async get(caller: Pick<Principal, 'organizationId'>, id: string): Promise<Webhook> {
    const found = (await this.list(caller)).find((one) => one.id === id);
    if (!found) throw new AppError('NOT_FOUND');
    return found;
  }

  /** Makes one that gets what happens from now on. Its secret is returned here and never again. */
  async create(
    caller: Principal,
    input: WebhookInput,
  ): Promise<{ webhook: Webhook; secret: string }> {
    this.checkUrl(input.url);
    const { organizationId, userId } = caller;
    if ((await this.list(caller)).length >= LIMIT) {
      throw new AppError('CONFLICT', {
        message: `There are ${String(LIMIT)} webhooks already; delete some first.`,
      });
    }
    const secret = randomBytes(SECRET_BYTES);
    const webhook: Webhook = {
      ...input,
      organizationId,
      id: timeOrderedId(),
      version: 1,
      secret: seal(this.keys[0], secret),
      oldSecret: null,
      oldSecretUntil: null,
      createdAt: new Date(),
      createdBy: userId,
    };
    await this.audited(caller, 'webhook.created', webhook.id, async () => {
      const position = await this.reader.head(organizationId);
      await this.pending.begin(webhook, position, chunkOf(position));
      await this.webhooks.insert(webhook);
    });
    return { webhook, secret: textOf(secret) };
  }

  /**
   * Sets what is given.
   * @param ifMatch which version it is for, as in the header
   * @throws AppError NOT_FOUND, PRECONDITION_FAILED, CONFLICT where others keep changing it, too
   */
  async change(
    caller: Principal,
    id: string,
    input: Partial<WebhookInput>,
    ifMatch?: string,
  ): Promise<Webhook> {
    if (input.url !== undefined) this.checkUrl(input.url);
    const given = Object.fromEntries(
      Object.entries(input).filter(([, value]) => (value as unknown) !== undefined),
    ) as Partial<WebhookInput>;
    const former = await this.get(caller, id);
    const check = checkOf(ifMatch);
    check(former);
    return this.audited(caller, 'webhook.changed', id, async () => {
      if (given.enabled === true && !former.enabled) {
        // It gets all of its time again.
        await this.pending.setFailingSince(former, null);
      }
      return this.modify(caller, id, (webhook) => {
        check(webhook);
        return { ...webhook, ...given };
      });
    });
  }

  /** @throws AppError NOT_FOUND, PRECONDITION_FAILED, CONFLICT */
  async remove(caller: Principal, id: string, ifMatch?: string): Promise<void> {
    const check = checkOf(ifMatch);
    check(await this.get(caller, id));
    await this.audited(caller, 'webhook.deleted', id, async () => {
      await this.modify(
        caller,
        id,
        (former) => {
          check(former);
          return former;
        },
        (webhook) => this.webhooks.remove(webhook),
      );
    });
  }

  /** The old secret signs along for a day. */
  async rotate(caller: Principal, id: string): Promise<{ webhook: Webhook; secret: string }> {
    await this.get(caller, id);
    const secret = randomBytes(SECRET_BYTES);
    const sealed = seal(this.keys[0], secret);
    const webhook = await this.audited(caller, 'webhook.secret_rotated', id, () =>
      this.modify(caller, id, (former) => ({
        ...former,
        secret: sealed,
        oldSecret: former.secret,
        oldSecretUntil: new Date(Date.now() + OVERLAP_MS),
      })),
    );
    return { webhook, secret: textOf(secret) };
  }

  /** What was sent, or is being sent, newest first. @throws AppError NOT_FOUND, INVALID_CURSOR */
  async deliveries(
    caller: Principal,
    id: string,
    { limit, cursor }: { limit: number; cursor?: string },
  ): Promise<Page<Delivery>> {
    const webhook = await this.get(caller, id);
    const scope = JSON.stringify(['deliveries', webhook.organizationId, id]);
    const from = cursor === undefined ? [] : decodeCursor(this.cursorKey, scope, cursor);
    const progress = await this.pending.progress(webhook);
    const first = progress?.firstPosition ?? 0;
    let position = Number(from[0] ?? (progress?.nextPosition ?? 0) - 1);
    const found: Delivery[] = [];
    // A webhook that wants little has most chunks empty: a page may be short.
    for (let chunks = 0; chunks < CHUNKS_OF_PAGE && position >= first; chunks++) {
      const some = await this.sent.list(webhook, position, limit + 1 - found.length);
      found.push(...some);
      position = found[limit]?.position ?? firstOf(chunkOf(position)) - 1;
      if (found.length > limit) break;
    }
    const next = position >= first ? encodeCursor(this.cursorKey, scope, [String(position)]) : null;
    return new Page(found.slice(0, limit), limit, next);
  }

  /** Has an event sent again, whatever became of it. @throws AppError NOT_FOUND */
  async redeliver(caller: Principal, id: string, position: number): Promise<Delivery> {
    const webhook = await this.get(caller, id);
    const [found] = await this.sent.list(webhook, position, 1);
    if (found?.position !== position) throw new AppError('NOT_FOUND');
    const now = new Date();
    const again = { ...found, attempts: 0, firstAt: now, lastAt: now, status: 'pending' as const };
    await this.sent.put(webhook, again);
    await this.pending.put(webhook, [{ ...again, chunk: AGAIN_CHUNK, nextAt: now }]);
    await this.webhooks.mark(webhook.organizationId);
    return again;
  }

  /** The secrets a delivery is signed with: those that cannot be opened any more are left out. */
  secretsOf(webhook: Webhook): Buffer[] {
    const { secret, oldSecret, oldSecretUntil } = webhook;
    const isOverlap = oldSecret !== null && (oldSecretUntil?.getTime() ?? 0) > Date.now();
    return [secret, ...(isOverlap ? [oldSecret] : [])]
      .map((sealed) => unseal(this.keys, sealed))
      .filter((one) => one !== undefined);
  }

  /** Sends nothing more to one that has failed for too long. */
  async giveUp({ organizationId, id }: Webhook): Promise<void> {
    await this.audit.around({ organizationId, action: 'webhook.disabled', targetId: id }, () =>
      this.modify({ organizationId }, id, (webhook) => ({ ...webhook, enabled: false })),
    );
  }

  async erase(organizationId: string): Promise<void> {
    const microseconds = (Date.now() + CLOCK_MARGIN_MS) * 1000;
    const { webhooks, deleted } = await this.webhooks.list(organizationId);
    for (const id of [...webhooks.map((one) => one.id), ...deleted]) {
      await this.eraseEvents({ organizationId, id }, microseconds);
    }
    await this.webhooks.erase(organizationId, microseconds);
  }

  async whatIsLeft(organizationId: string): Promise<string[]> {
    const { webhooks, deleted } = await this.webhooks.list(organizationId);
    return webhooks.length + deleted.length > 0 ? ['webhooks'] : [];
  }

  private async eraseEvents(
    key: Pick<Webhook, 'organizationId' | 'id'>,
    microseconds: number,
  ): Promise<void> {
    const progress = await this.pending.progress(key);
    if (progress) {
      await this.pending.eraseChunk(key, AGAIN_CHUNK, microseconds);
      const last = chunkOf(progress.nextPosition);
      for (let chunk = chunkOf(progress.firstPosition); chunk <= last; chunk++) {
        await this.pending.eraseChunk(key, chunk, microseconds);
        await this.sent.erase(key, chunk, microseconds);
      }
    }
    await this.pending.eraseProgress(key, microseconds);
  }

  /** Applies a change to what is there, again where another one came first: none undoes another. */
  private async modify(
    caller: Pick<Principal, 'organizationId'>,
    id: string,
    change: (former: Webhook) => Webhook,
    write = (webhook: Webhook) => this.webhooks.update(webhook),
  ): Promise<Webhook> {
    for (let attempt = 1; attempt <= WRITE_ATTEMPTS; attempt++) {
      const former = await this.get(caller, id);
      const webhook = { ...change(former), version: former.version + 1 };
      if (await write(webhook)) return webhook;
    }
    throw new AppError('CONFLICT');
  }

  private checkUrl(url: string): void {
    const message = faultOfUrl(url, this.allowPrivate);
    if (message !== undefined) throw validationFailed([{ field: 'url', rule: 'isUrl', message }]);
  }

  private audited<T>(
    caller: Principal,
    action: 'webhook.created' | 'webhook.changed' | 'webhook.deleted' | 'webhook.secret_rotated',
    targetId: string,
    work: () => Promise<T>,
  ): Promise<T> {
    const { organizationId } = caller;
    return this.audit.around({ organizationId, action, actor: caller, targetId }, work);
  }
}

/** Throws for every version that the header does not name. */
function checkOf(ifMatch: string | undefined): (webhook: Webhook) => void {
  const versions = acceptedVersions(ifMatch);
  return (webhook) => {
    if (versions && !versions.includes(webhook.version)) throw preconditionFailed(webhook);
  };
}

function textOf(secret: Buffer): string {
  return `${SECRET_PREFIX}${secret.toString('base64')}`;
}
