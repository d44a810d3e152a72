import { setTimeout as sleep } from 'node:timers/promises';
import { Injectable } from '@nestjs/common';
import { ConfigService } from '@nestjs/config';
import { v4 as randomId } from 'uuid';
import { AppError, contended } from '../common/errors';
import type { AppConfig } from '../config/app-config';
import type { StoredRecord, UniqueValue } from './record';
import { hasUnique, type RecordDefinition } from './record-definition';
import { type RecordKey, RecordsRepository } from './store/records.repository';
import { type UniqueClaim, UniqueValuesRepository } from './store/unique-values.repository';

/** How long a claim waits for another write to be decided, before it gives up. */
const PATIENCE_MS = 2000;
const ATTEMPTS = 20;

/** A claim that was found before a commit, to be released after it. */
export interface HeldClaim extends UniqueValue {
  operationId: string;
}

/** What became of claiming several values. */
interface Claimed {
  /** The claims that are this write's alone, to be released should it fail. */
  made: HeldClaim[];
  /**
   * Whether some were there already, made by another write of the same record. They are renewed, and
   * not for this write to take away: the other one may yet commit, or has.
   */
  renewed: boolean;
  /** Why there are none. */
  refused: Error | undefined;
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
   * Claims values for a write that is to commit on top of what was read before: all, or none and the
   * reason, which is DUPLICATE with the record that has the value, or CONFLICT while one is undecided.
   */
  async claim(
    definition: RecordDefinition,
    key: RecordKey,
    uniques: readonly UniqueValue[],
    operationId: string,
  ): Promise<Claimed> {
    const results = await Promise.allSettled(
      uniques.map((unique) => this.claimOne(definition, key, unique, operationId)),
    );
    const how = results.map((result) => (result.status === 'fulfilled' ? result.value : undefined));
    const made = uniques
      .filter((_, index) => how[index] === 'made')
      .map((unique) => ({ ...unique, operationId }));
    const refused = results.find((result) => result.status === 'rejected')?.reason as
      Error | undefined;
    if (refused) await this.release(key, made);
    return { made, renewed: how.includes('renewed'), refused };
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

  /** Takes away what a write left behind that was cut off: claims nobody stands behind. */
  async tidy(
    definition: RecordDefinition,
    key: RecordKey,
    uniques: readonly UniqueValue[],
  ): Promise<void> {
    for (const unique of uniques) {
      const claim = await this.values.find(key.organizationId, key.object, unique);
      if (claim?.id === key.id) await this.reclaim(definition, key, unique, claim);
    }
  }

  private async claimOne(
    definition: RecordDefinition,
    key: RecordKey,
    unique: UniqueValue,
    operationId: string,
  ): Promise<'made' | 'renewed'> {
    const { organizationId, object, id } = key;
    const giveUpAt = Date.now() + PATIENCE_MS;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      if (await this.values.claim(organizationId, object, unique, id, operationId)) return 'made';
      const found = await this.values.find(organizationId, object, unique, true);
      if (!found) continue;
      if (found.id === id) {
        // Of another write of the same record: a release that is under way must not hit this one.
        const renewed = await this.values.renew(organizationId, object, unique, found, operationId);
        if (renewed) return 'renewed';
        continue;
      }
      const owner = await this.records.find({ organizationId, object, id: found.id }, true);
      if (owner && hasUnique(definition, owner, unique)) throw duplicate(unique, found.id);
      if (await this.reclaim(definition, { ...key, id: found.id }, unique, found)) continue;
      // The other write is under way: it will be decided in a moment.
      if (Date.now() > giveUpAt) break;
      await sleep(10 * attempt * (0.5 + Math.random()));
    }
    throw contended();
  }

  /**
   * Takes a claim away whose write has had its time. The fence comes first: a write that is still on
   * its way cannot commit any more. False: it has committed, or its time is not over.
   */
  private async reclaim(
    definition: RecordDefinition,
    key: RecordKey,
    unique: UniqueValue,
    claim: UniqueClaim,
  ): Promise<boolean> {
    const record = await this.records.find(key, true);
    if (record && hasUnique(definition, record, unique)) return false;
    if (Date.now() - claim.claimedAt.getTime() < this.leaseMs) return false;
    if (!(await this.records.fence(key, record, randomId()))) return false;
    await this.values.release(key.organizationId, key.object, unique, claim.operationId);
    return true;
  }
}

/** 409 that names the record in the way. */
export function duplicate({ field }: UniqueValue, existingId: string): AppError {
  return new AppError('DUPLICATE', { details: { field, existing_id: existingId } });
}
