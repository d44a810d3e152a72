import { ConfigService } from '@nestjs/config';
import { PinoLogger } from 'nestjs-pino';
import type { CassandraService } from '../../src/cassandra/cassandra.service';
import { ChangeLog } from '../../src/changes/change-log.service';
import { ChangeReader } from '../../src/changes/change-reader.service';
import { ChangeSequencer } from '../../src/changes/change-sequencer.service';
import { ChangeVersionsRepository } from '../../src/changes/change-versions.repository';
import { ChangeWaiters } from '../../src/changes/change-waiters.service';
import { ChangesRepository } from '../../src/changes/changes.repository';
import { ChangesService } from '../../src/changes/changes.service';
import { SeenWindow, windowsBetween } from '../../src/changes/seen-window';
import type { AppConfig } from '../../src/config/app-config';
import { ChangeOutbox } from '../../src/records/writing/change-outbox.service';
import { OUTBOX_WINDOW_MS, outboxShardOf } from '../../src/records/writing/outbox-windows';
import { ChangeOutboxRepository } from '../../src/records/store/change-outbox.repository';
import { RecordsRepository } from '../../src/records/store/records.repository';

/** A change as it is answered, as far as a follower needs it. */
export interface FollowedChange {
  object: string;
  id: string;
  version: number;
  kind: string;
  changes: Record<string, { from?: unknown; to?: unknown }>;
}

/** What a follower has rebuilt of one record. */
export interface Rebuilt {
  object: string;
  id: string;
  version: number;
  state: string;
  data: Record<string, unknown>;
}

const STATES: Partial<Record<string, string>> = {
  created: 'live',
  restored: 'live',
  deleted: 'deleted',
  merged_into: 'merged',
  purged: 'purged',
};

/** The records that changes lead to, and what must not be in a log: gaps, repetitions, disorder. */
export function rebuild(changes: readonly FollowedChange[]): {
  records: Map<string, Rebuilt>;
  faults: string[];
} {
  const records = new Map<string, Rebuilt>();
  const faults: string[] = [];
  for (const { object, id, version, kind, changes: fields } of changes) {
    const name = `${object}/${id}`;
    const before = records.get(name) ?? { object, id, version: 0, state: 'live', data: {} };
    if (version !== before.version + 1) {
      faults.push(`${name} ${kind} ${String(version)} after ${String(before.version)}`);
    }
    const data = { ...before.data };
    for (const [field, { to }] of Object.entries(fields)) {
      if (to === undefined) Reflect.deleteProperty(data, field);
      else data[field] = to;
    }
    // Of the two sides of a merge that is taken back, this is the one that was merged.
    const isBack = kind === 'unmerged' && 'merged_into' in fields;
    const state = isBack ? 'live' : (STATES[kind] ?? before.state);
    records.set(name, { object, id, version, state, data });
  }
  return { records, faults };
}

/** The feed of one process, on the database that it is given; as changes.module.ts puts it together. */
export function buildFeed(
  cassandra: CassandraService,
  config: AppConfig,
  Changes: new (cassandra: CassandraService) => ChangesRepository = ChangesRepository,
) {
  const settings = new ConfigService<AppConfig, true>(config);
  const logger = new PinoLogger({ pinoHttp: { level: 'silent' } });
  const outbox = new ChangeOutbox(
    new ChangeOutboxRepository(cassandra),
    new RecordsRepository(cassandra),
  );
  const log = new ChangeLog(new Changes(cassandra));
  const waiters = new ChangeWaiters(log);
  const versions = new ChangeVersionsRepository(cassandra);
  return {
    log,
    changes: new ChangesService(log, new ChangeReader(log, outbox), waiters, settings),
    sequencer: new ChangeSequencer(outbox, log, versions, waiters, logger),
  };
}

/** Does the sequencer's work for the organizations of a shard, on all windows since a moment. */
export async function sequenceSince(
  sequencer: ChangeSequencer,
  organizationId: string,
  since: Date,
): Promise<void> {
  const windows = windowsBetween(since.getTime(), Date.now() + OUTBOX_WINDOW_MS);
  await sequencer.sequence(
    outboxShardOf(organizationId),
    windows.map((start) => new SeenWindow(start)),
  );
}
