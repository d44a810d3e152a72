import { Injectable } from '@nestjs/common';
import type { ObjectName } from '../common/permissions';
import type { Principal } from '../common/principal';
import type { StoredRecord } from '../records/record';
import { reachOf } from '../records/record-access';
import { allDefinitions } from '../records/record-definition';
import { RecordSearch, type SearchMatches } from '../records/lists/record-search.service';
import { bestRank, matchedTerms, matchRank } from '../records/matching';
import { queryTerms } from '../records/text';
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

interface Place {
  rank: number;
  /** Among those of its kind and rank. */
  place: number;
}

interface Ranked extends Place {
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
    const terms = queryTerms(q);
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
    const counts = countsAmongBest(some, terms, limit);
    // One more of each kind tells that it has no better ones; the key of the next one is to be known.
    const count = (at: number) => Math.min(candidates - 1, (counts[at] ?? 0) + 1);
    const kinds = await Promise.all(
      some.map((matches, at) => this.begin(caller, matches, { q, terms, limit }, count(at))),
    );
    for (;;) {
      const ranked = rankAll(kinds, q);
      const open = kinds.filter((kind) => mayImprove(kind, terms, ranked, limit, candidates));
      if (open.length === 0) return ranked.slice(0, limit).map((one) => toHit(one, q));
      // The rest of those that are looked at, then twice as many each time.
      const next = (looked: number) => (looked < candidates ? candidates - looked : looked);
      await Promise.all(open.map(({ matches }) => matches.read(next(matches.looked))));
    }
  }

  private async begin(
    caller: Principal,
    matches: SearchMatches,
    { q, terms, limit }: { q: string; terms: readonly string[]; limit: number },
    count: number,
  ): Promise<Kind> {
    const next = matches.keys[count];
    // Those of just this name may stand behind others that have the same word.
    const isHidden = next !== undefined && bestRank(next, terms) === 1;
    const [named] = await Promise.all([
      isHidden ? this.records.named(caller, matches.definition, q, limit) : [],
      matches.read(count),
    ]);
    return { named, matches };
  }
}

/** How many matches of each kind are among the best, if each is as good as its key says. */
function countsAmongBest(
  kinds: readonly SearchMatches[],
  terms: readonly string[],
  limit: number,
): number[] {
  const best = kinds
    .flatMap(({ keys }, kind) =>
      inPlaces(keys.map((key) => ({ rank: bestRank(key, terms), kind }))),
    )
    .sort(compareRanked)
    .slice(0, limit);
  return kinds.map((_, at) => best.filter(({ kind }) => kind === at).length);
}

function rankAll(kinds: readonly Kind[], q: string): Ranked[] {
  return kinds.flatMap((kind) => rank(kind, q)).sort(compareRanked);
}

function rank(kind: Kind, q: string): Ranked[] {
  const { named, matches } = kind;
  const records = new Map([...named, ...matches.found].map((one) => [one.id, one]));
  return inPlaces(
    [...records.values()].map((record) => {
      return { rank: matchRank(matches.definition, record, q), record, kind };
    }),
  );
}

/** Each with its place among those of its rank. */
function inPlaces<T extends { rank: number }>(all: readonly T[]): (T & { place: number })[] {
  const places = new Map<number, number>();
  return all.map((one) => {
    const place = places.get(one.rank) ?? 0;
    places.set(one.rank, place + 1);
    return { ...one, place };
  });
}

/** The better ones first; of those that are as good, the first of each kind. */
function compareRanked(a: Place, b: Place): number {
  return a.rank - b.rank || a.place - b.place;
}

/** Whether a match that has not been read yet could be one of the best, as far as one looks. */
function mayImprove(
  kind: Kind,
  terms: readonly string[],
  ranked: readonly Ranked[],
  limit: number,
  candidates: number,
): boolean {
  const { matches } = kind;
  if (!matches.more || (matches.looked >= candidates && matches.found.length >= limit))
    return false;
  const last = ranked[limit - 1];
  if (!last) return true;
  const next = bestRank(matches.nextKey, terms);
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
