import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { v4 as randomId } from 'uuid';
import { AppError, contended } from '../../common/errors';
import type { AppConfig } from '../../config/app-config';
import { backOff } from '../back-off';
import type { StoredRecord, UniqueValue } from '../record';
import { hasUnique, type RecordDefinition } from '../record-definition';
import { type RecordKey, RecordsRepository } from '../store/records.repository';
import { type UniqueClaim, UniqueValuesRepository } from '../store/unique-values.repository';

/** How long a claim waits for another write to be decided, before it gives up. */
const PATIENCE_MS = 2000;
const ATTEMPTS = 20;
const TIDY_ATTEMPTS = 5;

/** A claim that was found before a commit, to be released after it. */
export interface HeldClaim extends UniqueValue {
  operationId: string;
}

/** What came of the claims of one write. */
export interface Claiming {
  /** Why the write must not go on, if it must not. */
  refused?: unknown;
  /** Claims of this write alone, to be released if it does not commit. */
  own: HeldClaim[];
  /** Some were there before, of another write of the same record that may commit on them yet. */
  shared: boolean;
}

/**
 * Unique values by claim, commit and fence (docs/adr/0003-claim-and-fence.md), for records. A claim
 * counts while its record is live and has the value; any other claim belongs to a write that is not
 * decided yet, or never will be.
 */
@Injectable()
export class ClaimsService {
  private readonly leaseMs: number;

  constructor(
    private readonly values: UniqueValuesRepository,
    private readonly records: RecordsRepository,
    config: ConfigService<AppConfig, true>,
  ) {
    this.leaseMs = config.get('auth', { infer: true }).claimLeaseMs;
  }

  /**
   * Claims values for a write that is to commit on top of what was read before. Refused with
   * DUPLICATE and the record that has the value, or with CONFLICT while one is undecided: then the
   * others are still claimed, and the caller releases his own.
   */
  async claim(
    definition: RecordDefinition,
    key: RecordKey,
    uniques: readonly UniqueValue[],
  ): Promise<Claiming> {
    // Not the mark of the write: should it be repeated, its claims are told from the first one's.
    const operationId = randomId();
    const shared = new Set<UniqueValue>();
    const results = await Promise.allSettled(
      uniques.map((unique) =>
        this.claimOne(definition, key, unique, operationId, () => shared.add(unique)),
      ),
    );
    const refusals = results
      .filter((result) => result.status === 'rejected')
      .map((result): unknown => result.reason);
    return {
      // A failure that leaves something in doubt tells more than a refusal.
      refused: refusals.find((one) => !isRefusal(one)) ?? refusals[0],
      own: uniques.filter((one) => !shared.has(one)).map((one) => ({ ...one, operationId })),
      shared: shared.size > 0,
    };
  }

  /** Takes claims away that are still what they were. */
  async release(key: RecordKey, claims: readonly HeldClaim[]): Promise<void> {
    const { organizationId, object } = key;
    await Promise.all(
      claims.map(({ operationId, ...unique }) =>
        this.values.release(organizationId, object, unique, operationId),
      ),
    );
  }

  /** The claims of a record on values that it is about to give up. */
  async held(key: RecordKey, uniques: readonly UniqueValue[]): Promise<HeldClaim[]> {
    const found = await Promise.all(
      uniques.map(async ({ field, value }) => {
        const claim = await this.values.find(key.organizationId, key.object, { field, value });
        return claim?.id === key.id ? { field, value, operationId: claim.operationId } : undefined;
      }),
    );
    return found.filter((claim) => claim !== undefined);
  }

  /** The live record that has a value, or undefined. */
  async owner(
    definition: RecordDefinition,
    organizationId: string,
    unique: UniqueValue,
  ): Promise<StoredRecord | undefined> {
    const { object } = definition;
    const claim = await this.values.find(organizationId, object, unique);
    if (!claim) return undefined;
    const record = await this.records.find({ organizationId, object, id: claim.id });
    return record && hasUnique(definition, record, unique) ? record : undefined;
  }

  /**
   * Takes away what a write left behind that was cut off: claims nobody stands behind.
   * @throws AppError CONFLICT while another write of the record may still commit on one
   */
  async tidy(
    definition: RecordDefinition,
    key: RecordKey,
    uniques: readonly UniqueValue[],
  ): Promise<void> {
    for (const unique of uniques) {
      for (let attempt = 1; ; attempt++) {
        const claim = await this.values.find(key.organizationId, key.object, unique, true);
        if (claim?.id !== key.id) break;
        if ((await this.reclaim(definition, key, unique, claim)) !== 'undecided') break;
        if (attempt === TIDY_ATTEMPTS) throw contended();
        await backOff(attempt);
      }
    }
  }

  private async claimOne(
    definition: RecordDefinition,
    key: RecordKey,
    unique: UniqueValue,
    operationId: string,
    onShared: () => void,
  ): Promise<void> {
    const { organizationId, object, id } = key;
    const giveUpAt = Date.now() + PATIENCE_MS;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (await this.values.claim(organizationId, object, unique, id, operationId)) return;
      const found = await this.values.find(organizationId, object, unique, true);
      if (!found) continue;
      if (found.id === id) {
        // Of another write of this record. A release of it that is under way must not hit ours.
        onShared();
        if (await this.values.renew(organizationId, object, unique, found, operationId)) return;
        continue;
      }
      const outcome = await this.reclaim(definition, { ...key, id: found.id }, unique, found);
      if (outcome === 'owned') throw duplicate(unique, found.id);
      if (outcome === 'released') continue;
      // The other write is under way: it will be decided in a moment.
      if (Date.now() > giveUpAt) break;
      await backOff(attempt);
    }
    throw contended();
  }

  /**
   * Takes a claim away whose write has had its time. The fence comes first: a write that is still on
   * its way cannot commit any more.
   */
  private async reclaim(
    definition: RecordDefinition,
    key: RecordKey,
    unique: UniqueValue,
    claim: UniqueClaim,
  ): Promise<'owned' | 'undecided' | 'released'> {
    const record = await this.records.find(key, true);
    if (record && hasUnique(definition, record, unique)) return 'owned';
    if (Date.now() - claim.claimedAt.getTime() < this.leaseMs) return 'undecided';
    if (!(await this.records.fence(key, record, randomId()))) return 'undecided';
    await this.values.release(key.organizationId, key.object, unique, claim.operationId);
    return 'released';
  }
}

/** True for an answer that leaves no doubt: nothing was written. */
export function isRefusal(error: unknown): boolean {
  return error instanceof AppError && error.status < 500;
}

/** 409 that names the record in the way. */
export function duplicate({ field }: UniqueValue, existingId: string): AppError {
  return new AppError('DUPLICATE', { details: { field, existing_id: existingId } });
}
