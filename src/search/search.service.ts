import { Injectable } from '@nestjs/common';
import type { ObjectName } from '../common/permissions';
import type { Principal } from '../common/principal';
import type { StoredRecord } from '../records/record';
import { reachOf } from '../records/record-access';
import { allDefinitions, type RecordDefinition } from '../records/record-definition';
import { RecordLists } from '../records/lists/record-lists.service';
import { matchRank, matchedTerms } from '../records/matching';
import type { HitDto, SearchQueryDto } from './search.dto';

/**
 * Matches of one kind that are looked at for each that is answered, the first in the alphabet: of them
 * the best are answered. Each costs a partition to read.
 */
const CANDIDATES_EACH = 2;
const CANDIDATES_MIN = 20;
const CANDIDATES_MAX = 50;

interface Ranked {
  rank: number;
  /** Its place among those of its kind and rank. */
  place: number;
  hit: HitDto;
}

/** Finds records of all kinds by what a person types. */
@Injectable()
export class SearchService {
  constructor(private readonly lists: RecordLists) {}

  /** The best matches of the kinds of records that the caller may read, each kind in turn. */
  async search(
    caller: Principal,
    { q, objects, limit }: Pick<SearchQueryDto, 'q' | 'objects' | 'limit'>,
  ): Promise<HitDto[]> {
    const definitions = allDefinitions().filter((definition) =>
      (objects as readonly string[]).includes(definition.object),
    );
    const found = await Promise.all(
      definitions.map((definition) => this.searchOne(caller, definition, q, limit)),
    );
    return found
      .flat()
      .sort((a, b) => a.rank - b.rank || a.place - b.place)
      .slice(0, limit)
      .map(({ hit }) => hit);
  }

  private async searchOne(
    caller: Principal,
    definition: RecordDefinition,
    q: string,
    limit: number,
  ): Promise<Ranked[]> {
    if (reachOf(caller, definition, 'read') === 'none') return [];
    const candidates = Math.min(CANDIDATES_MAX, Math.max(CANDIDATES_MIN, CANDIDATES_EACH * limit));
    const { found, more } = await this.lists.search(caller, definition, q, candidates);
    // Those of just this name may stand behind others that begin so.
    const named = more ? await this.lists.named(caller, definition, q, limit) : [];
    const records = [...new Map([...named, ...found].map((one) => [one.id, one])).values()];
    const places = new Map<number, number>();
    return records.map((record) => {
      const rank = matchRank(definition, record, q);
      const place = places.get(rank) ?? 0;
      places.set(rank, place + 1);
      return { rank, place, hit: toHit(definition, record, q) };
    });
  }
}

function toHit(definition: RecordDefinition, record: StoredRecord, q: string): HitDto {
  return {
    object: definition.object as ObjectName,
    id: record.id,
    name: definition.nameOf(record.data),
    subtitle: definition.subtitleOf?.(record.data) ?? null,
    matched: matchedTerms(definition, record, q),
  };
}
