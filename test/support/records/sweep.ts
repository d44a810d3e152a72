import type { Client } from 'cassandra-driver';
import type { CassandraService } from '../../../src/cassandra/cassandra.service';
import type { AppConfig } from '../../../src/config/app-config';
import { CONTENDED_MS } from '../../../src/records/writing/intent-finisher.service';
import {
  SHARDS,
  WINDOW_MS,
  windowOf,
  type WriteIntent,
  WriteIntentsRepository,
} from '../../../src/records/store/write-intents.repository';
import { TEST_KEYSPACE } from '../config';
import { Crash } from './faulty-cassandra';
import { buildStore } from './store';

/** What a sweep of the test's own looks after. */
export interface Territory {
  organizationId: string;
  since: Date;
  /** Only these intents; all of them unless told. */
  ids?: ReadonlySet<string>;
}

/** The intents of one organization: those of other tests are none of ours. */
function intentsOf(client: Client, { organizationId, ids }: Territory, postponed: WriteIntent[]) {
  const looked = new Set<string>();
  return class extends WriteIntentsRepository {
    override async list(shard: number, window: Date): Promise<WriteIntent[]> {
      const result = await client.execute(
        `SELECT id, organization_id, object, record_id, kind, detail
         FROM ${TEST_KEYSPACE}.write_intents WHERE shard = ? AND window = ?`,
        [shard, window],
        { prepare: true, fetchSize: 5000 },
      );
      const all = result.rows.map((row) => ({
        id: String(row.id),
        organizationId: row.organization_id as string,
        object: row.object as string,
        recordId: String(row.record_id),
        kind: row.kind as WriteIntent['kind'],
        detail: row.detail as string,
        shard,
        window,
      }));
      return all.filter(
        (one) =>
          one.organizationId === organizationId &&
          (ids === undefined || (ids.has(one.id) && !looked.has(one.id))),
      );
    }

    /** The second look of a merge is for the requests of its time: they must have ended. */
    override async remove(intent: WriteIntent): Promise<void> {
      if (ids !== undefined && intent.kind === 'merge') looked.add(intent.id);
      if (!looked.has(intent.id)) await super.remove(intent);
    }

    override async add(intent: Omit<WriteIntent, 'shard' | 'window'> | WriteIntent, due?: Date) {
      if (!due || !('window' in intent)) return super.add(intent, due);
      if (ids !== undefined && due.getTime() - Date.now() <= CONTENDED_MS) {
        // Others still write the record. The sweep at the end of all comes to it again.
        looked.add(intent.id);
        return intent;
      }
      const whole = await super.add(intent, due);
      postponed.push(whole);
      return whole;
    }
  };
}

/**
 * Does the sweeper's work on all windows since a moment, the current one included.
 * @returns what could not be finished
 */
export async function sweepOrganization(
  client: Client,
  cassandra: CassandraService,
  config: AppConfig,
  territory: Territory,
): Promise<string[]> {
  const postponed: WriteIntent[] = [];
  const store = buildStore(cassandra, config, {
    intents: intentsOf(client, territory, postponed),
  });
  try {
    const from = windowOf(territory.since).getTime();
    for (let window = from; window <= Date.now(); window += WINDOW_MS) {
      for (let shard = 0; shard < SHARDS; shard++) {
        await store.finisher.finishWindow(shard, new Date(window));
      }
    }
  } catch (error) {
    if (!(error instanceof Crash)) throw error;
  }
  return postponed.map(
    ({ kind, object, recordId }) => `not finished: ${kind} ${object} ${recordId}`,
  );
}
