import { AppError, contended, validationFailed } from '../common/errors';
import { KeyLock } from '../common/key-lock';
import { isReplay, newId } from '../common/operation';
import type { Page, PageQueryDto } from '../common/page';
import type { Principal } from '../common/principal';
import type { Field } from '../fields/field';
import { backOff } from './back-off';
import { duplicate } from './writing/claims.service';
import { acceptedVersions, preconditionFailed } from './precondition';
import {
  changesBetween,
  type ChangeEvent,
  type Draft,
  type RecordData,
  type StoredRecord,
  type UniqueValue,
} from './record';
import { canRead, demand } from './record-access';
import { mergePatch, refuseUnknownFields, writablePart } from './record-body';
import { type RecordDefinition, uniquesOf } from './record-definition';
import type { Body } from './record-input.service';
import type { RecordKit } from './record-kit';
import type { TimelineEntry } from './lists/record-timeline.service';
import type { RecordKey } from './store/records.repository';

const ATTEMPTS = 12;
const DUPLICATES_MAX = 20;

const lock = new KeyLock();

/**
 * The rules of one kind of record. Features extend it with what is theirs alone, by overriding
 * `prepare` and `checkRemoval`.
 */
export abstract class ObjectService<D extends RecordData = RecordData> {
  constructor(
    readonly definition: RecordDefinition,
    protected readonly kit: RecordKit,
  ) {}

  /**
   * What a write needs to know, and sets, beyond the record itself. A record that is brought back
   * comes here as it was deleted: what it needs may be gone by now.
   */
  protected prepare?(caller: Principal, data: D, base?: StoredRecord<D>): Promise<D>;

  /** Refuses a removal that would leave others without something they need. */
  protected checkRemoval?(caller: Principal, record: StoredRecord<D>): Promise<void>;

  /** Refuses a merge that is allowed for records in general. */
  protected checkMerge?(
    caller: Principal,
    winner: StoredRecord<D>,
    losers: readonly StoredRecord<D>[],
  ): Promise<void>;

  /** @throws AppError NOT_FOUND, also for a record that the caller may not see */
  async get(caller: Principal, id: string): Promise<StoredRecord> {
    return this.readable(caller, await this.kit.records.find(this.key(caller, id)));
  }

  /** The custom fields of this kind of record, in the organization of the caller. */
  fields(caller: Principal): Promise<Field[]> {
    return this.fieldsOf(caller, this.definition.object);
  }

  fieldsOf(caller: Principal, object: string): Promise<Field[]> {
    return this.kit.fields.of(caller.organizationId, object);
  }

  /**
   * @param name tells the records apart that one request creates
   * @throws AppError VALIDATION_FAILED, FORBIDDEN, DUPLICATE, CONFLICT
   */
  async create(caller: Principal, body: Body, name = ''): Promise<StoredRecord> {
    const { id: chosenId, ...rest } = body;
    const id = chosenId === undefined ? newId(`record${name}`) : checkedId(chosenId);
    const key = this.key(caller, id);
    const operationId = newId(`operation${name}`);
    // A new id has no record: only the repeat of a request may have made it before.
    let found = isReplay() ? await this.kit.records.find(key, true) : undefined;
    const done = await this.kit.history.doneBefore(found, operationId);
    if (done) return done;
    const data = await this.kit.input.parse(caller, this.definition, rest);
    if (rest.owner_id === undefined && !this.definition.bare) data.owner_id = caller.userId;
    demand(caller, this.definition, 'create', data);
    const prepared = await this.prepared(caller, data);
    const draft: Draft = { state: 'live', data: prepared, kind: 'created' };
    // An earlier attempt may have been fenced under this id: that is no record, and no obstacle.
    for (let attempt = 1; attempt <= ATTEMPTS && isFree(found); attempt++) {
      const record = await this.write(caller, key, found, draft, operationId);
      if (record) {
        this.kit.growth.created(key);
        return record;
      }
      found = await this.kit.records.find(key, true);
      const doneNow = await this.kit.history.doneBefore(found, operationId);
      if (doneNow) return doneNow;
    }
    if (found && !isFree(found)) throw duplicate({ field: 'id', value: id }, id);
    throw contended();
  }

  /**
   * Changes a record by a merge patch. Without a precondition it is applied to whatever version is
   * the latest; one that changes nothing makes no version.
   * @throws AppError NOT_FOUND, VALIDATION_FAILED, FORBIDDEN, DUPLICATE, PRECONDITION_FAILED, CONFLICT
   */
  async patch(
    caller: Principal,
    id: string,
    patch: Body,
    ifMatch?: string,
    name = '',
  ): Promise<StoredRecord> {
    refuseUnknownFields(this.definition, patch);
    return this.change(caller, id, ifMatch, `operation${name}`, async (base) => {
      demand(caller, this.definition, 'update', base.data);
      const merged = mergePatch(writablePart(this.definition, base.data), patch);
      const { definition } = this;
      const written = await this.kit.input.parse(caller, definition, merged as Body, base.data);
      const data = { ...base.data, ...written };
      const prepared = await this.prepared(caller, data, base);
      const changes = changesBetween(base.data, prepared);
      if (Object.keys(changes).length === 0) return undefined;
      return { state: 'live', data: prepared, kind: 'updated' };
    });
  }

  /**
   * Deletes a record for the time being; doing it again changes nothing.
   * @throws AppError NOT_FOUND, FORBIDDEN, PRECONDITION_FAILED, CONFLICT
   */
  async remove(caller: Principal, id: string, ifMatch?: string, name = ''): Promise<void> {
    const found = await this.getAny(caller, id);
    if (await this.kit.history.doneBefore(found, newId(`operation${name}`))) return;
    if (found.state === 'deleted') return;
    await this.change(caller, id, ifMatch, `operation${name}`, async (base) => {
      demand(caller, this.definition, 'delete', base.data);
      await this.checkRemoval?.(caller, base as StoredRecord<D>);
      return { state: 'deleted', data: base.data, kind: 'deleted' };
    });
  }

  /**
   * Brings a deleted record back, with its unique values; or one that was merged into another,
   * which takes the merge back. A live record stays as it is.
   * @throws AppError NOT_FOUND, FORBIDDEN, DUPLICATE with the record that has a value now, CONFLICT
   */
  async restore(caller: Principal, id: string): Promise<StoredRecord> {
    const key = this.key(caller, id);
    const operationId = newId('operation');
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const base = await this.kit.records.find(key);
      if (!base || !canRead(caller, this.definition, base)) throw new AppError('NOT_FOUND');
      const done = await this.kit.history.doneBefore(base, operationId);
      if (done) return done;
      demand(caller, this.definition, 'update', base.data);
      if (base.state === 'live') return base;
      if (base.state === 'merged') return this.kit.merges.undo(caller, this.definition, base);
      if (base.state !== 'deleted') throw new AppError('NOT_FOUND');
      const followed = await this.kit.mergeReferences.followed(this.definition, base);
      const data = await this.prepared(caller, followed, base);
      const draft: Draft = { state: 'live', data, kind: 'restored' };
      const record = await this.write(caller, key, base, draft, operationId);
      if (record) return record;
      await backOff(attempt);
    }
    throw contended();
  }

  /**
   * Creates the record that another system knows by this key, or changes it.
   * @returns whether it was created, beside the record
   */
  async putExternal(
    caller: Principal,
    source: string,
    externalKey: string,
    body: Body,
    ifMatch?: string,
    name = '',
  ): Promise<{ record: StoredRecord; created: boolean }> {
    const unique = { field: `external:${source}`, value: externalKey };
    // What is no map is left to be refused: spread, a text or a list would become one.
    const given = body.external_ids ?? {};
    const isMap = typeof given === 'object' && !Array.isArray(given);
    const externalIds = isMap ? { ...given, [source]: externalKey } : given;
    const whole = { ...body, external_ids: externalIds };
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const { organizationId } = caller;
      const owner = await this.kit.claims.owner(this.definition, organizationId, unique);
      if (owner) {
        demand(caller, this.definition, 'update', owner.data);
        const record = await this.patch(caller, owner.id, whole, ifMatch, name);
        // A repeat of the request that created it says so again.
        return { record, created: isReplay() && record.version === 1 };
      }
      try {
        return { record: await this.create(caller, whole, name), created: true };
      } catch (error) {
        // Somebody was faster: then it is there to be changed.
        const field =
          error instanceof AppError ? (error.details as { field?: string } | null) : null;
        if (field?.field !== unique.field) throw error;
        await backOff(attempt);
      }
    }
    throw contended();
  }

  /** The live record that has a unique value, whoever may see it; undefined where it is free. */
  ownerOf(caller: Principal, unique: UniqueValue): Promise<StoredRecord | undefined> {
    return this.kit.claims.owner(this.definition, caller.organizationId, unique);
  }

  /**
   * Looks what a creation, or a patch of `base`, would come to, and writes nothing of it.
   * @throws AppError VALIDATION_FAILED, FORBIDDEN, DUPLICATE
   */
  async rehearse(caller: Principal, body: Body, base?: StoredRecord): Promise<void> {
    const { definition } = this;
    const rest = { ...body };
    Reflect.deleteProperty(rest, 'id');
    if (base) refuseUnknownFields(definition, rest);
    const whole = base ? mergePatch(writablePart(definition, base.data), rest) : rest;
    const written = await this.kit.input.parse(caller, definition, whole as Body, base?.data);
    if (!base && rest.owner_id === undefined) written.owner_id = caller.userId;
    demand(caller, definition, base ? 'update' : 'create', base?.data ?? written);
    const data = await this.prepared(caller, { ...base?.data, ...written }, base);
    const fields = await this.fields(caller);
    const keys = fields.filter(({ unique }) => unique).map(({ key }) => key);
    for (const unique of uniquesOf(definition, { state: 'live', data }, keys)) {
      const owner = await this.ownerOf(caller, unique);
      if (owner && owner.id !== base?.id) throw duplicate(unique, owner.id);
    }
  }

  /** The events of a record from a version on, newest first. @throws AppError NOT_FOUND */
  async eventsSince(caller: Principal, id: string, version: number): Promise<ChangeEvent[]> {
    return this.kit.writer.eventsSince(await this.getAny(caller, id), version);
  }

  /** A fault of ours in one of many things that one request does: it is answered, not thrown. */
  report(error: unknown): void {
    this.kit.logger.error({ err: error }, 'item of a batch failed');
  }

  /** A page of the records that the caller may see. @throws AppError VALIDATION_FAILED, INVALID_CURSOR */
  list(caller: Principal, query: Record<string, unknown>): Promise<Page<StoredRecord>> {
    return this.kit.lists.list(caller, this.definition, query);
  }

  /** @throws AppError NOT_FOUND, FORBIDDEN, VALIDATION_FAILED, UNPROCESSABLE, CONFLICT */
  async merge(caller: Principal, id: string, loserIds: readonly string[]): Promise<StoredRecord> {
    if (loserIds.includes(id)) {
      const message = 'loser_ids must be of other records';
      throw validationFailed([{ field: 'loser_ids', rule: 'others', message }]);
    }
    const winner = await this.get(caller, id);
    return this.kit.merges.merge(caller, this.definition, winner, loserIds, (losers) =>
      this.checkMerge?.(caller, winner as StoredRecord<D>, losers as StoredRecord<D>[]),
    );
  }

  /** The versions of a record, newest first; also of one that is deleted. @throws AppError NOT_FOUND */
  async history(caller: Principal, id: string, query: PageQueryDto): Promise<Page<ChangeEvent>> {
    return this.kit.timeline.history(await this.getAny(caller, id), query);
  }

  /** What happened to a record and around it, newest first. @throws AppError NOT_FOUND */
  async timeline(caller: Principal, id: string, query: PageQueryDto): Promise<Page<TimelineEntry>> {
    return this.kit.timeline.page(caller, await this.get(caller, id), query);
  }

  /** Up to 20 records that may be the same as this one. @throws AppError NOT_FOUND */
  async duplicates(
    caller: Principal,
    id: string,
  ): Promise<{ record: StoredRecord; by: string[] }[]> {
    const record = await this.get(caller, id);
    return this.kit.lists.duplicates(caller, this.definition, record, DUPLICATES_MAX);
  }

  private async getAny(caller: Principal, id: string): Promise<StoredRecord> {
    const record = await this.kit.records.find(this.key(caller, id));
    const isThere = record && record.state !== 'fenced' && record.state !== 'purged';
    if (!isThere || !canRead(caller, this.definition, record)) throw new AppError('NOT_FOUND');
    return record;
  }

  private readable(caller: Principal, record: StoredRecord | undefined): StoredRecord {
    if (record?.state !== 'live' || !canRead(caller, this.definition, record)) {
      throw new AppError('NOT_FOUND');
    }
    return record;
  }

  protected key(caller: Principal, id: string): RecordKey {
    return { organizationId: caller.organizationId, object: this.definition.object, id };
  }

  /** Reads, decides and writes, again where somebody else was faster. Nothing to write: no version. */
  private change(
    caller: Principal,
    id: string,
    ifMatch: string | undefined,
    operation: string,
    decide: (base: StoredRecord) => Promise<Draft | undefined>,
  ): Promise<StoredRecord> {
    const versions = acceptedVersions(ifMatch);
    const key = this.key(caller, id);
    const operationId = newId(operation);
    return lock.run(`${key.organizationId}/${key.object}/${id}`, async () => {
      for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
        const found = await this.kit.records.find(key);
        // Of the very version that is written upon: another attempt comes before it, or not at all.
        const done = await this.kit.history.doneBefore(found, operationId);
        if (done) return done;
        const base = this.readable(caller, found);
        if (versions && !versions.includes(base.version)) {
          throw preconditionFailed(
            base,
            await this.kit.history.changedSince(base, Math.min(...versions)),
          );
        }
        const draft = await decide(base);
        if (!draft) return base;
        const record = await this.write(caller, key, base, draft, operationId);
        if (record) return record;
        await backOff(attempt);
      }
      throw contended();
    });
  }

  private write(
    caller: Principal,
    key: RecordKey,
    base: StoredRecord | undefined,
    draft: Draft,
    operationId: string,
  ) {
    return this.kit.writer.write(this.definition, caller, key, base, draft, operationId);
  }

  private async prepared(
    caller: Principal,
    data: RecordData,
    base?: StoredRecord,
  ): Promise<RecordData> {
    return this.prepare ? this.prepare(caller, data as D, base as StoredRecord<D>) : data;
  }
}

/** Whether a record can be created under an id. */
function isFree(found: StoredRecord | undefined): boolean {
  return found === undefined || found.state === 'fenced';
}

/** An id that the client has chosen. */
function checkedId(value: unknown): string {
  const id = typeof value === 'string' ? value.toLowerCase() : '';
  if (/^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(id))
    return id;
  throw validationFailed([{ field: 'id', rule: 'isUuid', message: 'id must be a UUID' }]);
}
