import { Injectable } from '@nestjs/common';
import { v4 as randomId } from 'uuid';
import { CassandraService } from '../cassandra/cassandra.service';
import { defineQuery } from '../cassandra/define-query';
import type { ChangeObject } from '../changes/change';
import type { EventKind } from '../records/record';
import { outboxShardOf } from '../records/writing/outbox-windows';
import type { Webhook } from './webhook';

interface Row {
  organization_id: string;
  id: { toString(): string };
  version: number;
  state: string;
  url: string;
  description: string;
  objects: string;
  kinds: string;
  secret: Buffer;
  old_secret: Buffer | null;
  old_secret_until: Date | null;
  created_at: Date;
  created_by: { toString(): string };
}

const COLUMNS = `organization_id, id, version, state, url, description, objects, kinds, secret, old_secret,
  old_secret_until, created_at, created_by`;
const KEY = 'organization_id = :organization_id AND id = :id';

const list = defineQuery<Row>(
  'webhooks.list',
  `SELECT ${COLUMNS} FROM webhooks WHERE organization_id = :organization_id LIMIT :size`,
);
const insert = defineQuery(
  'webhooks.insert',
  `INSERT INTO webhooks (${COLUMNS})
   VALUES (:organization_id, :id, :version, :state, :url, :description, :objects, :kinds, :secret,
     :old_secret, :old_secret_until, :created_at, :created_by) IF NOT EXISTS`,
);
const update = defineQuery(
  'webhooks.update',
  `UPDATE webhooks SET version = :version, state = :state, url = :url, description = :description,
     objects = :objects, kinds = :kinds, secret = :secret, old_secret = :old_secret,
     old_secret_until = :old_secret_until
   WHERE ${KEY} IF version = :former`,
);
const erase = defineQuery(
  'webhooks.erase',
  'DELETE FROM webhooks USING TIMESTAMP :microseconds WHERE organization_id = :organization_id',
);
const mark = defineQuery(
  'webhook_shards.mark',
  'INSERT INTO webhook_shards (shard, organization_id, mark) VALUES (:shard, :organization_id, :mark)',
);
const listShard = defineQuery<{ organization_id: string; mark: { toString(): string } }>(
  'webhook_shards.list',
  'SELECT organization_id, mark FROM webhook_shards WHERE shard = :shard LIMIT :size',
);
const removeShard = defineQuery(
  'webhook_shards.remove',
  'DELETE FROM webhook_shards WHERE shard = :shard AND organization_id = :organization_id',
);

/** Deleted ones included: they are kept until the organization is erased. */
const LIST_SIZE = 1000;
const SHARD_SIZE = 10_000;

@Injectable()
export class WebhooksRepository {
  constructor(private readonly cassandra: CassandraService) {}

  /** All of an organization, oldest first; also the ids of those that are deleted. */
  async list(organizationId: string): Promise<{ webhooks: Webhook[]; deleted: string[] }> {
    const rows = await this.cassandra.page(list, { organization_id: organizationId }, LIST_SIZE);
    return {
      webhooks: rows.filter(({ state }) => state !== 'deleted').map(toWebhook),
      deleted: rows.filter(({ state }) => state === 'deleted').map(({ id }) => id.toString()),
    };
  }

  async insert(webhook: Webhook): Promise<void> {
    // Before it is there: whatever is found under an organization leads from here.
    await this.mark(webhook.organizationId);
    // The id is new: whatever stands there is this one.
    await this.cassandra.lwt([{ query: insert, params: params(webhook) }], () =>
      Promise.resolve(true),
    );
    await this.mark(webhook.organizationId);
  }

  /** Tells those who send that something has been changed: its webhooks, or what is to be sent again. */
  async mark(organizationId: string): Promise<void> {
    const shard = outboxShardOf(organizationId);
    await this.cassandra.run(mark, { shard, organization_id: organizationId, mark: randomId() });
  }

  /** Writes a webhook over its version before. False: another one has been written meanwhile. */
  update(webhook: Webhook): Promise<boolean> {
    return this.put(webhook, webhook.enabled ? 'enabled' : 'disabled');
  }

  /** As `update`; what is left leads to its deliveries only. */
  remove(webhook: Webhook): Promise<boolean> {
    const emptied = { url: '', description: '', secret: Buffer.alloc(0), oldSecret: null };
    return this.put({ ...webhook, ...emptied }, 'deleted');
  }

  async erase(organizationId: string, microseconds: number): Promise<void> {
    await this.cassandra.run(erase, { organization_id: organizationId, microseconds });
    const shard = outboxShardOf(organizationId);
    await this.cassandra.run(removeShard, { shard, organization_id: organizationId });
  }

  /** The organizations of a shard that have, or had, webhooks, with a mark that changes with them. */
  async organizations(shard: number): Promise<Map<string, string>> {
    const rows = await this.cassandra.page(listShard, { shard }, SHARD_SIZE);
    return new Map(rows.map((row) => [row.organization_id, row.mark.toString()]));
  }

  private async isStored({ organizationId, id, version, secret }: Webhook, state: string) {
    const rows = await this.cassandra.page(list, { organization_id: organizationId }, LIST_SIZE);
    const row = rows.find((one) => one.id.toString() === id);
    return row?.version === version && row.state === state && row.secret.equals(secret);
  }

  private async put(webhook: Webhook, state: string): Promise<boolean> {
    const columns = changeable(webhook);
    const values = { ...columns, state, former: webhook.version - 1 };
    const isMine = () => this.isStored(webhook, state);
    const { applied } = await this.cassandra.lwt([{ query: update, params: values }], isMine);
    if (applied) await this.mark(webhook.organizationId);
    return applied;
  }
}

function changeable(webhook: Webhook) {
  return {
    organization_id: webhook.organizationId,
    id: webhook.id,
    version: webhook.version,
    state: webhook.enabled ? 'enabled' : 'disabled',
    url: webhook.url,
    description: webhook.description,
    objects: webhook.objects.join(','),
    kinds: webhook.kinds.join(','),
    secret: webhook.secret,
    old_secret: webhook.oldSecret,
    old_secret_until: webhook.oldSecretUntil,
  };
}

function params(webhook: Webhook) {
  const made = { created_at: webhook.createdAt, created_by: webhook.createdBy };
  return { ...changeable(webhook), ...made };
}

function toWebhook(row: Row): Webhook {
  const split = (text: string) => text.split(',').filter((one) => one !== '');
  return {
    organizationId: row.organization_id,
    id: row.id.toString(),
    version: row.version,
    url: row.url,
    description: row.description,
    objects: split(row.objects) as ChangeObject[],
    kinds: split(row.kinds) as EventKind[],
    enabled: row.state === 'enabled',
    secret: row.secret,
    oldSecret: row.old_secret,
    oldSecretUntil: row.old_secret_until,
    createdAt: row.created_at,
    createdBy: row.created_by.toString(),
  };
}
