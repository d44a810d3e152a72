import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import type { AuditAction } from '../audit/audit-event';
import { AuditService } from '../audit/audit.service';
import { AppError, validationFailed } from '../common/errors';
import { OBJECTS } from '../common/permissions';
import type { Principal } from '../common/principal';
import type { Field } from './field';
import {
  broughtBack,
  changed,
  checkLimits,
  faultsOf,
  type FieldChange,
  FIELDS_LIMIT,
  hasOptions,
  type NewField,
  strange,
} from './field-rules';
import { FieldsRepository } from './fields.repository';

const CACHE_MS = 1000;
const CACHE_ENTRIES = 10_000;
const ATTEMPTS = 30;

interface CacheEntry {
  /** Of the process's own clock, in ms. */
  readAt: number;
  fields: Promise<Field[]>;
}

/** The custom fields of an organization's records. */
@Injectable()
export class FieldsService {
  /** In the order of `readAt`. */
  private readonly cache = new Map<string, CacheEntry>();

  constructor(
    private readonly fields: FieldsRepository,
    private readonly audit: AuditService,
  ) {}

  /**
   * All definitions of an object, the archived ones included, in the order of their keys. What
   * another process has changed is seen within a second, or at once with `fresh`. The array is
   * shared: do not change it.
   */
  of(organizationId: string, object: string, fresh = false): Promise<Field[]> {
    const id = cacheId(organizationId, object);
    const now = performance.now();
    const known = this.cache.get(id);
    if (known && !fresh && now - known.readAt < CACHE_MS) return known.fields;
    // Entered before it is read: a change that comes in between empties the entry, so that what was
    // read before the change cannot stay behind.
    const entry = { readAt: now, fields: this.read(organizationId, object) };
    this.cache.delete(id);
    this.cache.set(id, entry);
    entry.fields.catch(() => {
      if (this.cache.get(id) === entry) this.cache.delete(id);
    });
    for (const [oldest, { readAt }] of this.cache) {
      if (this.cache.size <= CACHE_ENTRIES && now - readAt < CACHE_MS) break;
      this.cache.delete(oldest);
    }
    return entry.fields;
  }

  /** The fields of an object, the archived ones on demand. @throws AppError NOT_FOUND */
  async list(caller: Principal, object: string, archived: boolean): Promise<Field[]> {
    checkObject(object);
    const fields = await this.of(caller.organizationId, object, true);
    return fields.filter((field) => archived || !field.archived);
  }

  /** One field, archived or not. @throws AppError NOT_FOUND */
  async get(caller: Principal, object: string, key: string): Promise<Field> {
    checkObject(object);
    const field = await this.fields.find(caller.organizationId, object, key);
    if (!field) throw new AppError('NOT_FOUND');
    return field;
  }

  /**
   * Adds a field, or brings an archived one back.
   * @throws AppError NOT_FOUND, VALIDATION_FAILED for what does not go together, DUPLICATE for a key
   * in use, CONFLICT for an archived one of another kind or too many fields, UNPROCESSABLE
   */
  async create(caller: Principal, object: string, input: NewField): Promise<Field> {
    checkObject(object);
    const faults = faultsOf(input);
    if (faults.length > 0) throw validationFailed(faults);
    const { organizationId } = caller;
    const { key, kind, label } = input;
    const now = new Date();
    const stamps = { archived: false, version: 0, createdAt: now, updatedAt: now };
    return this.write(caller, 'field.created', object, key, { kind, label }, (former) => {
      if (!former) return { ...input, ...stamps, organizationId, object };
      if (former.archived) return broughtBack(former, input);
      const details = { field: 'key', existing_id: key };
      throw new AppError('DUPLICATE', { details });
    });
  }

  /** @throws AppError NOT_FOUND, VALIDATION_FAILED, CONFLICT for an archived one, UNPROCESSABLE */
  async change(
    caller: Principal,
    object: string,
    key: string,
    change: FieldChange,
  ): Promise<Field> {
    const field = await this.get(caller, object, key);
    if (change.options && !hasOptions(field.kind)) {
      throw validationFailed([strange('options', field.kind)]);
    }
    const next = (former: Field | undefined) => {
      if (!former) throw new AppError('NOT_FOUND');
      if (former.archived) {
        throw new AppError('CONFLICT', {
          message: 'The field is archived; create it again to bring it back.',
        });
      }
      return changed(former, change);
    };
    if (next(field) === field) return field;
    return this.write(caller, 'field.changed', object, key, detailsOf(change), next);
  }

  /** Takes a field out of use; its values stay. Again, it changes nothing. @throws AppError NOT_FOUND */
  async archive(caller: Principal, object: string, key: string): Promise<void> {
    if ((await this.get(caller, object, key)).archived) return;
    await this.write(caller, 'field.archived', object, key, undefined, (former) => {
      if (!former) throw new AppError('NOT_FOUND');
      return former.archived ? former : { ...former, archived: true };
    });
  }

  /** Writes what `next` makes of the field, unless another write came first: then of that. */
  private async write(
    caller: Principal,
    action: AuditAction,
    object: string,
    key: string,
    details: Record<string, string> | undefined,
    next: (former: Field | undefined) => Field,
  ): Promise<Field> {
    const { organizationId } = caller;
    const targetId = `${object}/${key}`;
    return this.audit.around(
      { organizationId, action, actor: caller, targetId, details },
      async () => {
        for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
          const { fields, changes } = await this.fields.list(organizationId, object, FIELDS_LIMIT);
          const former = fields.find((field) => field.key === key);
          const field = next(former);
          if (field === former) return former;
          const others = fields.filter((other) => other !== former);
          checkLimits(others, field);
          const written = { ...field, version: field.version + 1, updatedAt: new Date() };
          if (await this.save(written, changes)) return written;
          await sleep(Math.random() * 50 * (attempt + 1));
        }
        throw new AppError('CONFLICT');
      },
    );
  }

  private async save(field: Field, changes: number | null): Promise<boolean> {
    try {
      return await this.fields.save(field, changes);
    } finally {
      // Also when nobody knows whether it was written.
      this.cache.delete(cacheId(field.organizationId, field.object));
    }
  }

  private async read(organizationId: string, object: string): Promise<Field[]> {
    return (await this.fields.list(organizationId, object, FIELDS_LIMIT)).fields;
  }
}

function cacheId(organizationId: string, object: string): string {
  return `${organizationId}/${object}`;
}

function checkObject(object: string): void {
  if (!(OBJECTS as readonly string[]).includes(object)) throw new AppError('NOT_FOUND');
}

function detailsOf({ label, required, options }: FieldChange): Record<string, string> {
  return {
    ...(label === undefined ? {} : { label }),
    ...(required === undefined ? {} : { required: String(required) }),
    ...(options === undefined ? {} : { options: String(options.length) }),
  };
}
