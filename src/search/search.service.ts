import { Injectable } from '@nestjs/common';
import type { ObjectName } from '../common/permissions';
import type { Principal } from '../common/principal';
import type { StoredRecord } from '../records/record';
import { reachOf } from '../records/record-access';
import { allDefinitions } from '../records/record-definition';
import { RecordSearch, type SearchMatches } from '../records/lists/record-search.service';
import { bestRank, matchedTerms, matchRank } from '../records/matching';
import type { HitDto, SearchQueryDto } from './search.dto';

/**
 * Matches of one kind that are looked at for each that is answered, the first in the alphabet: of them
 * the best are answered. Each costs a partition to read.
 */
const CANDIDATES_EACH = 2;
const CANDIDATES_MIN = 20;
const CANDIDATES_MAX = 50;

/** Of one kind: records of just the name, and those that have the words. */
interface Kind {
  named: StoredRecord[];
  matches: SearchMatches;
}

interface Ranked {
  rank: number;
  /** Its place among those of its kind and rank. */
  place: number;
  record: StoredRecord;
  kind: Kind;
}

/** Finds records of all kinds by what a person types. */
@Injectable()
export class SearchService {
  constructor(private readonly records: RecordSearch) {}

  /** The best matches of the kinds of records that the caller may read, each kind in turn. */
  async search(
    caller: Principal,
    { q, objects, limit }: Pick<SearchQueryDto, 'q' | 'objects' | 'limit'>,
  ): Promise<HitDto[]> {
    const candidates = Math.min(CANDIDATES_MAX, Math.max(CANDIDATES_MIN, CANDIDATES_EACH * limit));
    const definitions = allDefinitions().filter(
      (definition) =>
        (objects as readonly string[]).includes(definition.object) &&
        reachOf(caller, definition, 'read') !== 'none',
    );
    const all = await Promise.all(
      definitions.map((definition) => this.records.matches(caller, definition, q, candidates)),
    );
    const some = all.filter(({ more }) => more);
    // Enough for an answer if every kind has as many of the best.
    const share = Math.min(candidates - 1, Math.ceil((limit + 1) / some.length) + 1);
    const kinds = await Promise.all(
      some.map((matches) => this.begin(caller, matches, q, limit, share)),
    );
    for (;;) {
      const ranked = rankAll(kinds, q);
      const open = kinds.filter((kind) => mayImprove(kind, q, ranked, limit, candidates));
      if (open.length === 0) return ranked.slice(0, limit).map((one) => toHit(one, q));
      await Promise.all(
        open.map(({ matches }) => matches.read(Math.max(candidates, matches.looked))),
      );
    }
  }

  private async begin(
    caller: Principal,
    matches: SearchMatches,
    q: string,
    limit: number,
    share: number,
  ): Promise<Kind> {
    const next = matches.keyAt(share);
    // Those of just this name may stand behind others that have the same word.
    const isHidden = next !== undefined && bestRank(next, q) === 1;
    const [named] = await Promise.all([
      isHidden ? this.records.named(caller, matches.definition, q, limit) : [],
      matches.read(share),
    ]);
    return { named, matches };
  }
}

function rankAll(kinds: readonly Kind[], q: string): Ranked[] {
  return kinds
    .flatMap((kind) => rank(kind, q))
    .sort((a, b) => a.rank - b.rank || a.place - b.place);
}

function rank(kind: Kind, q: string): Ranked[] {
  const { named, matches } = kind;
  const records = new Map([...named, ...matches.found].map((one) => [one.id, one]));
  const places = new Map<number, number>();
  return [...records.values()].map((record) => {
    const rank = matchRank(matches.definition, record, q);
    const place = places.get(rank) ?? 0;
    places.set(rank, place + 1);
    return { rank, place, record, kind };
  });
}

/** Whether a match that has not been read yet could be one of the best, as far as one looks. */
function mayImprove(
  kind: Kind,
  q: string,
  ranked: readonly Ranked[],
  limit: number,
  candidates: number,
): boolean {
  const { matches } = kind;
  if (!matches.more || (matches.looked >= candidates && matches.found.length >= limit))
    return false;
  const last = ranked[limit - 1];
  if (!last) return true;
  const next = bestRank(matches.nextKey, q);
  const place = ranked.filter((one) => one.kind === kind && one.rank === next).length;
  return next < last.rank || (next === last.rank && place <= last.place);
}

function toHit({ record, kind }: Ranked, q: string): HitDto {
  const { definition } = kind.matches;
  return {
    object: definition.object as ObjectName,
    id: record.id,
    name: definition.nameOf(record.data),
    subtitle: definition.subtitleOf?.(record.data) ?? null,
    matched: matchedTerms(definition, record, q),
  };
}
